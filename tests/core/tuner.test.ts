/** The Tuner: what it finds, that it leaves everything as it was to the last bit, and its callbacks. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import "../support/backend.js";
import {
  BatchSizeFinder,
  Callback,
  DataModule,
  DummyLogger,
  LearningRateFinder,
  LrFinder,
  ModelCheckpoint,
  Trainer,
  Tuner,
  type OptimizerConfiguration,
  type TrainerOptions,
} from "../../src/core/index.js";
import { isOutOfMemory, searchBatchSize } from "../../src/core/tuner/batch_size.js";
import { sharp } from "../../src/data/image/sharp.js";
import { ArrayDataset, DataLoader } from "../../src/data/index.js";
import { EngineError } from "../../src/errors.js";
import { fromHost } from "../../src/engine/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { AdamW, computeGradients, Dropout, LambdaLR, SGD, type Optimizer } from "../../src/nn/index.js";
import { getGlobalGenerator, getGlobalSeed, seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };

/** Has a learning rate to tune, dropout, and everything that must not take part in a trial. */
class Tunable extends BoringModel {
  lr = 0.05;
  readonly dropout = new Dropout(0.3);

  override forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(this.dropout.forward(input));
  }

  override configureOptimizers(): OptimizerConfiguration {
    const optimizer = new AdamW(this.parameters(), { lr: this.lr });
    return { optimizer, lrScheduler: { scheduler: new LambdaLR(optimizer, () => 0.5), interval: "step" } };
  }

  override configureCallbacks(): Callback[] {
    return [new Untouchable()];
  }
}

/** Fails when it is called by a trial. */
class Untouchable extends Callback {
  override onTrainStart(trainer: Trainer): void {
    if (trainer.options.maxEpochs === -1) throw new Error("a callback took part in a trial");
  }
}

class Rows extends DataModule {
  batchSize = 4;
  readonly loader = this.#make();

  #make() {
    const rows = Array.from({ length: 40 }, (_, i) => ({
      input: new HostTensor(
        Float32Array.from({ length: 32 }, (_, j) => Math.sin(i + j)),
        [32],
      ),
    }));
    return new DataLoader(new ArrayDataset(rows), { batchSize: 4, shuffle: true });
  }

  override trainDataloader() {
    if (this.batchSize === this.loader.batchSize) return this.loader;
    return new DataLoader(this.loader.dataset, { batchSize: this.batchSize, shuffle: true });
  }
}

function seeded<M>(create: () => M): M {
  seedEverything(11);
  return create();
}

const numbersOf = (model: BoringModel) =>
  Object.values(model.stateDict()).flatMap((tensor) => [...tensor.dataSync()]);

/** All that a trial could change. */
function stateOf(model: Tunable, data: Rows, trainer: Trainer): unknown {
  return structuredClone({
    weights: numbersOf(model),
    modes: [...model.namedModules()].map(([, inner]) => inner.training),
    grads: model.parameters().map(({ grad }) => grad),
    seed: getGlobalSeed(),
    random: [...getGlobalGenerator().state],
    position: data.loader.stateDict(),
    tensors: tf.memory().numTensors,
    trainer: [trainer.state, trainer.globalStep, trainer.currentEpoch, trainer.callbackMetrics],
    shouldStop: trainer.shouldStop,
  });
}

describe("suggestions", () => {
  interface Curve {
    lr: number[];
    loss: number[];
    steepest: number;
    valley: number;
  }
  const curves = JSON.parse(
    readFileSync(resolve(import.meta.dirname, "../golden/core_tuner.json"), "utf8"),
  ) as Curve[];

  it.each(curves.map((curve, i) => [i, curve] as const))(
    "of curve %i, as NumPy and brute force",
    (_i, curve) => {
      const finder = new LrFinder(curve, "exponential");
      const all = { skipBegin: 0, skipEnd: 0 };
      expect(finder.suggestion(all)).toBeCloseTo(curve.steepest, 12);
      expect(finder.suggestion({ ...all, method: "valley" })).toBeCloseTo(curve.valley, 12);
    },
  );

  it("leaves points out, and all that are not finite", () => {
    const lr = [1, 2, 3, 4, 5, 6];
    const finder = new LrFinder({ lr, loss: [9, 1, 5, 4.5, NaN, 0] }, "linear");
    expect(finder.suggestion({ skipBegin: 0, skipEnd: 0 })).toBe(1);
    expect(finder.suggestion({ skipBegin: 2, skipEnd: 1 })).toBe(3);
    expect(finder.suggestion({ skipBegin: 4, skipEnd: 0 })).toBeUndefined();
    expect(finder.suggestion()).toBeUndefined();
  });

  it("has two methods", () => {
    const finder = new LrFinder({ lr: [], loss: [] }, "linear");
    expect(() => finder.suggestion({ method: "valey" as "valley" })).toThrow(
      'suggestion has no method "valey". Choose one of "steepest", "valley". Did you mean "valley"?',
    );
  });
});

describe("lrFind", () => {
  it("raises the learning rate and smooths the losses, as a loop by hand", async () => {
    class Plain extends BoringModel {
      override configureOptimizers(): OptimizerConfiguration {
        return new SGD(this.parameters(), { lr: 123 });
      }
    }
    const batches = boringBatches(7);
    const byHand = seeded(() => new Plain());
    const optimizer = byHand.configureOptimizers() as Optimizer;
    const lr = Array.from({ length: 20 }, (_, i) => 1e-4 * (1e-1 / 1e-4) ** (i / 19));
    let mean = 0;
    const loss = lr.map((rate, i) => {
      optimizer.paramGroups[0]!.lr = rate;
      const value = tf.tidy(() => {
        const input = fromHost(batches[i % 7]!.input);
        const [number] = computeGradients(() => byHand.loss({ input }), byHand.parameters()).dataSync();
        optimizer.step();
        optimizer.zeroGrad();
        return number!;
      });
      mean = 0.98 * mean + 0.02 * value;
      return mean / (1 - 0.98 ** (i + 1));
    });

    const model = seeded(() => new Plain());
    const options = { minLr: 1e-4, maxLr: 1e-1, numTraining: 20, updateAttr: false };
    const { results } = await new Tuner(new Trainer(quiet)).lrFind(model, { train: batches }, options);
    expect(results.lr.length).toBe(20);
    results.lr.forEach((rate, i) => expect(rate).toBeCloseTo(lr[i]!, 12));
    results.loss.forEach((value, i) => expect(value).toBeCloseTo(loss[i]!, 6));
  });

  it("leaves everything as it was, and a fit after it as one without it", async () => {
    const fitted = seeded(() => new Tunable());
    await new Trainer({ ...quiet, maxEpochs: 2 }).fit(fitted, new Rows());

    const model = seeded(() => new Tunable());
    const data = new Rows();
    const logger = new DummyLogger();
    const calls = (["logMetrics", "logHyperparams", "finalize"] as const).map((name) =>
      vi.spyOn(logger, name),
    );
    const trainer = new Trainer({ ...quiet, logger, maxEpochs: 2, callbacks: new Untouchable() });
    const before = stateOf(model, data, trainer);
    const finder = await new Tuner(trainer).lrFind(model, data, { numTraining: 25, updateAttr: false });
    expect(stateOf(model, data, trainer)).toEqual(before);
    expect(model.lr).toBe(0.05);
    for (const call of calls) expect(call).not.toHaveBeenCalled();
    expect(() => model.trainer).toThrow("Tunable is not attached to a Trainer.");
    expect(finder.results.lr).toHaveLength(25);
    expect(finder.results.lr.at(-1)).toBeCloseTo(1, 9);
    await trainer.fit(model, data);
    expect(numbersOf(model)).toEqual(numbersOf(fitted));
  });

  it("leaves everything as it was when it fails", async () => {
    const model = seeded(() => new Tunable());
    const data = new Rows();
    const trainer = new Trainer(quiet);
    const step = model.trainingStep.bind(model);
    model.trainingStep = (batch, batchIdx) => {
      if (batchIdx === 3) throw new Error("broken");
      return step(batch, batchIdx);
    };
    const before = stateOf(model, data, trainer);
    await expect(new Tuner(trainer).lrFind(model, data)).rejects.toThrow("broken");
    expect(stateOf(model, data, trainer)).toEqual(before);
  });

  it("stops when the loss diverges, and sets the learning rate it suggests", async () => {
    const model = seeded(() => new BoringModel()) as BoringModel & { lr?: number };
    model.saveHyperparameters({ learningRate: 7 });
    const options = { minLr: 1e-3, maxLr: 1e4, numTraining: 50 };
    const finder = await new Tuner(new Trainer(quiet)).lrFind(model, { train: boringBatches(5) }, options);
    expect(finder.results.lr.length).toBeLessThan(50);
    expect(model.hparams.learningRate).toBe(finder.suggestion());
    expect(model.hparams.learningRate).not.toBe(7);
  });

  it("counts optimizer steps, not batches", async () => {
    const trainer = new Trainer({ ...quiet, accumulateGradBatches: 3 });
    const model = new BoringModel();
    const options = { numTraining: 4, updateAttr: false, mode: "linear", minLr: 0.1, maxLr: 0.4 } as const;
    const { results } = await new Tuner(trainer).lrFind(model, { train: boringBatches(6) }, options);
    results.lr.forEach((rate, i) => expect(rate).toBeCloseTo(0.1 * (i + 1), 12));
    expect(results.lr).toHaveLength(4);
  });

  it.each<[object, string]>([
    [
      {},
      'Neither BoringModel, nor its data, nor the hparams of either have a number named "lr" or "learningRate" to tune. ' +
        "Give one of them such a field and use it, or name yours with attrName.",
    ],
    [
      { attrName: "rate" },
      'Neither BoringModel, nor its data, nor the hparams of either have a number named "rate" to tune. ' +
        "Give one of them such a field and use it, or name yours with attrName.",
    ],
    [{ minLr: 1, maxLr: 0.1 }, "lrFind takes minLr above 0 and maxLr above minLr, not 1 and 0.1."],
    [{ numTraining: 1 }, "lrFind takes numTraining as an integer of at least 2, not 1."],
  ])("refuses %j", async (options, message) => {
    const tuner = new Tuner(new Trainer(quiet));
    await expect(tuner.lrFind(new BoringModel(), { train: boringBatches(1) }, options)).rejects.toThrow(
      expect.objectContaining({ message }) as Error,
    );
  });

  it("says when it has nothing to suggest", async () => {
    const tuner = new Tuner(new Trainer(quiet));
    await expect(tuner.lrFind(new Tunable(), new Rows(), { numTraining: 8 })).rejects.toThrow(
      "lrFind has too few finite losses to suggest a learning rate: 8 of 8 steps were done. Start with a smaller minLr, " +
        "take more steps with numTraining, or pass updateAttr: false to look at the losses.",
    );
  });

  it("refuses a development run, manual optimization, and a callback that does the same", async () => {
    const data = { train: boringBatches(1) };
    await expect(
      new Tuner(new Trainer({ ...quiet, fastDevRun: true })).lrFind(new Tunable(), data),
    ).rejects.toThrow("lrFind needs more steps than a Trainer with fastDevRun takes. Leave fastDevRun out.");
    const manual = new Tunable();
    manual.automaticOptimization = false;
    await expect(new Tuner(new Trainer(quiet)).lrFind(manual, data)).rejects.toThrow(
      "lrFind sets the learning rate of automatic optimization, and the module optimizes by itself.",
    );
    const trainer = new Trainer({ ...quiet, callbacks: new LearningRateFinder() });
    await expect(new Tuner(trainer).lrFind(new Tunable(), data)).rejects.toThrow(
      "lrFind was called, and a LearningRateFinder would do the same in fit. Leave one of them out.",
    );
  });
});

describe("plot", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindling-tuner-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  /** Pixels of about the colour. */
  async function count(path: string, [r, g, b]: [number, number, number]): Promise<number> {
    const { data } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    let found = 0;
    for (let i = 0; i < data.length; i += 3) {
      found += Number(Math.abs(data[i]! - r) + Math.abs(data[i + 1]! - g) + Math.abs(data[i + 2]! - b) < 30);
    }
    return found;
  }

  it("draws the curve into a PNG, and the suggestion where asked to", async () => {
    const lr = Array.from({ length: 40 }, (_, i) => 1e-5 * 10 ** (i / 8));
    const loss = lr.map((_, i) => 2 - Math.tanh((i - 20) / 6) + (i > 35 ? NaN : 0));
    const finder = new LrFinder({ lr, loss }, "exponential");
    const [plain, marked] = [join(folder, "plain.png"), join(folder, "marked.png")];
    await finder.plot(plain);
    await finder.plot(marked, { suggest: true, method: "valley" });
    expect(await sharp(plain).metadata()).toMatchObject({ format: "png", width: 1600, height: 1000 });
    expect(await count(plain, [0x1f, 0x77, 0xb4])).toBeGreaterThan(500);
    expect(await count(plain, [0xd6, 0x27, 0x28])).toBe(0);
    expect(await count(marked, [0xd6, 0x27, 0x28])).toBeGreaterThan(50);
  });
});

describe("the search for a batch size", () => {
  const settings = { mode: "power", initVal: 2, maxTrials: 25, maxVal: 8192, margin: 0.05 } as const;

  async function search(largest: number, options: object, samples = Infinity) {
    const tried: number[] = [];
    const found = await searchBatchSize({ ...settings, ...options }, (size) => {
      tried.push(size);
      return Promise.resolve(size <= largest ? Math.ceil(samples / size) : undefined);
    });
    return { found, tried };
  }

  it.each<[string, number, object, number, number[], number?]>([
    ["doubles", 20, {}, 16, [2, 4, 8, 16, 32]],
    ["halves where the first is too large", 20, { initVal: 64 }, 16, [64, 32, 16]],
    ["stops at the largest allowed", 1e9, { maxVal: 50 }, 50, [2, 4, 8, 16, 32, 50]],
    ["stops where the data are one batch", 1e9, {}, 16, [2, 4, 8, 16], 10],
    ["stops after its trials", 1e9, { maxTrials: 3 }, 8, [2, 4, 8]],
    ["searches in between", 21, { mode: "binsearch", margin: 0 }, 21, [2, 4, 8, 16, 32, 24, 20, 22, 21]],
    ["takes the margin off", 21, { mode: "binsearch", margin: 0.1 }, 18, [2, 4, 8, 16, 32, 24, 20, 22, 21]],
    ["takes no margin off where all fits", 1e9, { mode: "binsearch", maxVal: 8 }, 8, [2, 4, 8]],
    ["finds 1", 1, {}, 1, [2, 1]],
  ])("%s", async (_title, largest, options, found, tried, samples) => {
    expect(await search(largest, options, samples)).toEqual({ found, tried });
  });

  it.each([{ initVal: 1 }, { initVal: 1000, maxTrials: 2 }])("finds none with %j", async (options) => {
    await expect(search(0, options)).rejects.toThrow(
      "scaleBatchSize found no batch size that fits into memory. Use a smaller model or smaller inputs, start lower with " +
        "initVal, or allow more trials with maxTrials.",
    );
  });

  it("knows errors of memory", () => {
    expect(isOutOfMemory(new EngineError("ERR_ENGINE_MEMORY", "short"))).toBe(true);
    expect(isOutOfMemory(new EngineError("ERR_ENGINE_RUN", "Failed to allocate memory for …"))).toBe(true);
    expect(isOutOfMemory(new RangeError("Array buffer allocation failed"))).toBe(true);
    expect(isOutOfMemory(new RangeError("Invalid time value"))).toBe(false);
    expect(isOutOfMemory(new EngineError("ERR_ENGINE_RUN", "shapes differ"))).toBe(false);
    expect(isOutOfMemory(new Error("out of memory"))).toBe(false);
  });
});

/** Finds no memory for batches of more than ten. */
class Large extends Tunable {
  readonly sizes: number[] = [];

  override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
    const [size] = batch.input.shape as [number];
    this.sizes.push(size);
    if (size > 10) throw new EngineError("ERR_ENGINE_MEMORY", "Memory was too short.");
    return super.trainingStep(batch, batchIdx);
  }
}

describe("scaleBatchSize", () => {
  it("sets the largest size, and leaves everything else as it was", async () => {
    const model = seeded(() => new Large());
    const data = new Rows();
    const trainer = new Trainer({ ...quiet, callbacks: new Untouchable() });
    const before = stateOf(model, data, trainer);
    const options = { mode: "binsearch", margin: 0, stepsPerTrial: 2 } as const;
    expect(await new Tuner(trainer).scaleBatchSize(model, data, options)).toBe(10);
    expect(data.batchSize).toBe(10);
    expect(stateOf(model, data, trainer)).toEqual(before);
    expect(model.sizes).toEqual([2, 2, 4, 4, 8, 8, 16, 12, 10, 10, 11]);
  });

  it("puts the size back when it fails", async () => {
    const model = new Tunable();
    model.trainingStep = () => {
      throw new Error("broken");
    };
    const data = new Rows();
    await expect(new Tuner(new Trainer(quiet)).scaleBatchSize(model, data)).rejects.toThrow("broken");
    expect(data.batchSize).toBe(4);
  });

  it.each<[object, string]>([
    [{ mode: "fast" }, 'scaleBatchSize takes mode "power" or "binsearch", not "fast".'],
    [{ initVal: 0 }, "scaleBatchSize takes initVal as an integer of at least 1, not 0."],
    [{ margin: 5 }, "scaleBatchSize takes margin from 0 to below 1, not 5."],
    [
      { batchArgName: "size" },
      'Neither Tunable, nor its data, nor the hparams of either have a number named "size" to tune. ' +
        "Give one of them such a field and use it, or name yours with batchArgName.",
    ],
  ])("refuses %j", async (options, message) => {
    const tuner = new Tuner(new Trainer(quiet));
    await expect(tuner.scaleBatchSize(new Tunable(), new Rows(), options)).rejects.toThrow(
      expect.objectContaining({ message }) as Error,
    );
  });

  it("refuses loaders that do not follow the attribute", async () => {
    const data = new Rows();
    data.trainDataloader = () => data.loader;
    await expect(new Tuner(new Trainer(quiet)).scaleBatchSize(new Tunable(), data)).rejects.toThrow(
      "scaleBatchSize set batchSize to 2, and trainDataloader() still gave batches of 4. Pass a data module whose " +
        "trainDataloader() makes a loader with this.batchSize, not loaders that are made already.",
    );
    expect(data.batchSize).toBe(4);
  });
});

describe("the callbacks", () => {
  it("tune before the optimizer and the loaders are made", async () => {
    const model = seeded(() => new Large());
    const finder = new LearningRateFinder({ numTraining: 30, minLr: 1e-5 });
    const sizer = new BatchSizeFinder();
    const data = new Rows();
    let lr: number | undefined;
    model.onFitStart = () => {
      lr = model.trainer.optimizer?.paramGroups[0]!.initialLr;
      expect(model.trainer.globalStep).toBe(0);
      model.sizes.length = 0;
    };
    await new Trainer({ ...quiet, maxEpochs: 1, callbacks: [sizer, finder] }).fit(model, data);
    expect(sizer.optimalBatchSize).toBe(8);
    expect(model.sizes).toEqual([8, 8, 8, 8, 8]);
    expect(lr).toBe(finder.optimalLr!.suggestion());
    expect(model.lr).toBe(lr);
  });

  it("do nothing in a development run, nor in a fit that goes on", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kindling-tuner-"));
    try {
      const checkpoint = new ModelCheckpoint({ dirpath: folder, saveLast: true });
      await new Trainer({ ...quiet, enableCheckpointing: true, maxEpochs: 1, callbacks: checkpoint }).fit(
        new Tunable(),
        new Rows(),
      );
      const finder = new LearningRateFinder();
      await new Trainer({ ...quiet, maxEpochs: 2, callbacks: finder }).fit(new Tunable(), new Rows(), {
        ckptPath: checkpoint.lastModelPath!,
      });
      await new Trainer({ ...quiet, fastDevRun: true, callbacks: finder }).fit(new Tunable(), new Rows());
      expect(finder.optimalLr).toBeUndefined();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
