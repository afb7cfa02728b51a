/** Options that say what is trained on, when it is validated, and when it ends. */
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it, vi } from "vitest";
import "../support/backend.js";
import { Callback, ConsoleLogger, DataModule, Trainer, type TrainerOptions } from "../../src/core/index.js";
import { ArrayDataset, DataLoader } from "../../src/data/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { SGD } from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const quiet = (options: TrainerOptions = {}): Trainer =>
  new Trainer({
    logger: false,
    enableProgressBar: false,
    enableModelSummary: false,
    numSanityValSteps: 0,
    ...options,
  });

afterEach(() => void vi.restoreAllMocks());

/** Writes down what is done: batches by number, `v` for a validation batch. */
class Tracing extends BoringModel {
  trace = "";

  override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
    this.trace += String(batchIdx);
    return this.loss(batch);
  }

  override validationStep(): void {
    this.trace += "v";
  }

  override onTrainEpochStart(): void {
    this.trace += "|";
  }
}

async function traceOf(options: TrainerOptions, trainBatches = 4, callbacks?: Callback): Promise<string> {
  const model = new Tracing();
  const data = { train: boringBatches(trainBatches), val: boringBatches(1) };
  await quiet({ maxEpochs: 2, ...options, ...(callbacks && { callbacks }) }).fit(model, data);
  return model.trace;
}

class StopAfter extends Callback {
  readonly #steps: number;

  constructor(steps: number) {
    super();
    this.#steps = steps;
  }

  override onTrainBatchEnd(trainer: Trainer): void {
    if (trainer.globalStep >= this.#steps) trainer.shouldStop = true;
  }
}

describe("validation comes", () => {
  it.each([
    ["at the end of every epoch", {}, "|0123v|0123v"],
    ["every second epoch", { checkValEveryNEpoch: 2 }, "|0123|0123v"],
    ["after a count of batches", { valCheckInterval: 2 }, "|01v23v|01v23v"],
    ["after a count that does not divide the epoch", { valCheckInterval: 3 }, "|012v3|012v3"],
    ["after a fraction of the epoch", { valCheckInterval: 0.25 }, "|0v1v2v3v|0v1v2v3v"],
    ["after a fraction, rounded down to batches", { valCheckInterval: 0.7 }, "|01v23v|01v23v"],
    ["after a count, in every second epoch", { valCheckInterval: 2, checkValEveryNEpoch: 2 }, "|0123|01v23v"],
    ["after a count across epochs", { valCheckInterval: 3, checkValEveryNEpoch: null }, "|012v3|01v23"],
    [
      "after a count of more than an epoch",
      { valCheckInterval: 6, checkValEveryNEpoch: null },
      "|0123|01v23",
    ],
  ] as const)("%s", async (_, options, expected) => {
    expect(await traceOf(options)).toBe(expected);
  });

  it.each([
    ["within epochs", { milliseconds: 250 }, 1, "|012v3|01v23"],
    ["across epochs", { milliseconds: 550 }, null, "|0123|01v23"],
    ["not in epochs without validation", { milliseconds: 100 }, 2, "|0123|0v1v2v3v"],
  ] as const)("after a time, %s", async (_, valCheckInterval, checkValEveryNEpoch, expected) => {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    class Clock extends Callback {
      override onTrainBatchStart(): void {
        now += 100;
      }
    }
    expect(await traceOf({ valCheckInterval, checkValEveryNEpoch }, 4, new Clock())).toBe(expected);
  });

  it("once more where training ends early, but not twice after the same batch", async () => {
    expect(await traceOf({ valCheckInterval: 2 }, 4, new StopAfter(3))).toBe("|01v2v");
    expect(await traceOf({ valCheckInterval: 2 }, 4, new StopAfter(2))).toBe("|01v");
    expect(await traceOf({ maxSteps: 5, checkValEveryNEpoch: 5 })).toBe("|0123|0v");
  });

  it("not at all where the interval does not fit: an error with the remedies", async () => {
    await expect(traceOf({ valCheckInterval: 5 })).rejects.toThrow(
      "valCheckInterval: 5 is more than the 4 batches of an epoch, so that validation would never come. " +
        "Give a smaller count, or checkValEveryNEpoch: null to count batches across epochs.",
    );
    const train = { [Symbol.iterator]: () => boringBatches(4).values() };
    await expect(quiet({ valCheckInterval: 0.5 }).fit(new BoringModel(), { train })).rejects.toThrow(
      "valCheckInterval: 0.5 is a fraction, and the training loader does not tell its length. " +
        "Give a count of batches or a time.",
    );
  });
});

describe("training ends", () => {
  it("at a request, but not before minEpochs and minSteps", async () => {
    expect(await traceOf({ maxEpochs: 9 }, 4, new StopAfter(2))).toBe("|01v");
    expect(await traceOf({ maxEpochs: 9, minSteps: 6 }, 4, new StopAfter(2))).toBe("|0123v|01v");
    expect(await traceOf({ maxEpochs: 9, minEpochs: 2 }, 4, new StopAfter(2))).toBe("|0123v|0123v");
  });
});

describe("overfitBatches", () => {
  const sample = (value: number) => ({ input: new HostTensor(new Float32Array(32).fill(value), [32]) });
  const loader = () =>
    new DataLoader(new ArrayDataset(Array.from({ length: 20 }, (_, i) => sample(i))), {
      batchSize: 2,
      shuffle: true,
    });

  it("trains on the same few batches in every epoch, of a loader that shuffles", async () => {
    const seen: number[][] = [];
    class Watching extends BoringModel {
      override trainingStep(batch: { input: tf.Tensor }) {
        const rows = batch.input.arraySync() as number[][];
        seen.push(rows.map((row) => row[0]!));
        return this.loss(batch);
      }
    }
    seedEverything(3);
    await quiet({ maxEpochs: 3, overfitBatches: 0.2 }).fit(new Watching(), { train: loader() });
    expect(seen).toHaveLength(6);
    expect(seen.slice(2, 4)).toEqual(seen.slice(0, 2));
    expect(seen.slice(4)).toEqual(seen.slice(0, 2));
    const shuffled = [];
    for await (const batch of loader()) shuffled.push([batch.input.data[0], batch.input.data[32]]);
    expect(seen.slice(0, 2)).toEqual(shuffled.slice(0, 2));
  });

  it("limits validation too, learns its batches by heart, and is off at 0", async () => {
    expect(await traceOf({ overfitBatches: 1, maxEpochs: 1 })).toBe("|0v");
    expect(await traceOf({ overfitBatches: 0, maxEpochs: 1 })).toBe("|0123v");
    class Slow extends BoringModel {
      override configureOptimizers() {
        return new SGD(this.parameters(), { lr: 0.02 });
      }
    }
    const trainer = quiet({ overfitBatches: 1, maxEpochs: 150 });
    await trainer.fit(new Slow(), { train: boringBatches(10) });
    expect(trainer.callbackMetrics.train_loss).toBeLessThan(1e-3);
  });
});

describe("fastDevRun", () => {
  it("overrides what would make it long, and keeps nothing", async () => {
    const model = new Tracing();
    const trainer = new Trainer({
      fastDevRun: 3,
      maxEpochs: 50,
      minEpochs: 5,
      minSteps: 100,
      valCheckInterval: 1,
      overfitBatches: 2,
      checkValEveryNEpoch: 7,
      enableProgressBar: false,
      enableModelSummary: false,
      logger: new ConsoleLogger(),
    });
    await trainer.fit(model, { train: boringBatches(5), val: boringBatches(5) });
    expect(model.trace).toBe("|012vvv");
    expect(trainer.loggers.map(({ name }) => name)).toEqual(["dummy"]);
    expect([trainer.globalStep, trainer.numTrainingBatches, trainer.interruptionPath]).toEqual([
      3,
      3,
      undefined,
    ]);
  });
});

describe("barebones", () => {
  it("is the loop and nothing else", async () => {
    const model = new BoringModel();
    const trainer = new Trainer({ barebones: true, maxEpochs: 1 });
    await trainer.fit(model, { train: boringBatches(3), val: boringBatches(1) });
    expect([trainer.loggers, trainer.callbacks, trainer.numSanityValBatches]).toEqual([[], [], 0]);
    expect(trainer.callbackMetrics).toEqual({});
    expect(trainer.globalStep).toBe(3);
  });

  it("trains to the same bits", async () => {
    const weights: number[][] = [];
    for (const barebones of [true, false]) {
      seedEverything(4);
      const model = new BoringModel();
      const trainer = barebones ? new Trainer({ barebones, maxEpochs: 2 }) : quiet({ maxEpochs: 2 });
      await trainer.fit(model, { train: boringBatches(3), val: boringBatches(1) });
      weights.push(Array.from(model.layer.weight.dataSync()));
    }
    expect(weights[0]).toEqual(weights[1]);
  });
});

describe("options that contradict each other", () => {
  it.each([
    [
      { barebones: true, logger: true, logEveryNSteps: 5 },
      "barebones: true turns off logger, logEveryNSteps, which the Trainer was given too. Leave out one or the other.",
    ],
    [
      { overfitBatches: 1, limitTrainBatches: 2, limitValBatches: 1 },
      "overfitBatches sets the limits itself: leave out limitTrainBatches and limitValBatches.",
    ],
    [
      { checkValEveryNEpoch: null },
      "checkValEveryNEpoch: null measures valCheckInterval across epochs, so valCheckInterval must be a count of batches " +
        "or a time, not undefined.",
    ],
    [{ checkValEveryNEpoch: null, valCheckInterval: 0.5 }, "a count of batches or a time, not 0.5."],
    [{ minEpochs: 3, maxEpochs: 2 }, "minEpochs: 3 is above maxEpochs: 2."],
    [{ minSteps: 3, maxSteps: 2 }, "minSteps: 3 is above maxSteps: 2."],
    [
      { valCheckInterval: 1.5 },
      "option valCheckInterval must be a count of batches (an integer >= 1), a fraction",
    ],
    [{ valCheckInterval: "1h" }, "valCheckInterval must be a duration above 0"],
    [
      { gradientClipAlgorithm: "size" },
      'option gradientClipAlgorithm must be "norm" or "value", not "size".',
    ],
    [
      { overfitBatches: 2.5 },
      "option overfitBatches must be a count of batches (an integer >= 0, 0 for off)",
    ],
    [{ checkValEveryNEpoch: 0 }, "option checkValEveryNEpoch must be an integer >= 1, or null"],
    [
      { reloadDataloadersEveryNEpochs: -1 },
      "option reloadDataloadersEveryNEpochs must be an integer >= 0, not -1.",
    ],
  ])("%j", (options, message) => {
    expect(() => new Trainer(options as TrainerOptions)).toThrow(message);
  });

  it("and nothing is read from the environment", () => {
    vi.stubEnv("PL_TRAINER_MAX_EPOCHS", "3");
    vi.stubEnv("KINDLING_TRAINER_MAX_EPOCHS", "3");
    expect(new Trainer().options.maxEpochs).toBe(10);
    vi.unstubAllEnvs();
  });
});

describe("a module that cannot do what it is asked", () => {
  it("is told what is missing, or never called", async () => {
    const data = { train: boringBatches(1) };
    const without = (name: string) => Object.assign(new BoringModel(), { [name]: undefined });
    await expect(quiet().fit(without("trainingStep"), data)).rejects.toThrow(
      "BoringModel has no trainingStep, which fit runs.",
    );
    await expect(quiet().fit(without("configureOptimizers"), data)).rejects.toThrow(
      "BoringModel has no configureOptimizers, which fit runs.",
    );
    const old = Object.assign(new BoringModel(), { validationEpochEnd: () => undefined });
    await expect(quiet().fit(old, data)).rejects.toThrow(
      "BoringModel has a method validationEpochEnd, which nothing calls. Name it onValidationEpochEnd;",
    );
  });
});

describe("a batch that trainingStep skips", () => {
  it("takes no step, and does not count in the average of its window", async () => {
    const weights = async (skip: number[], accumulateGradBatches: number, train = boringBatches(4)) => {
      seedEverything(2);
      const model = new BoringModel();
      const step = model.trainingStep.bind(model);
      model.trainingStep = (batch, batchIdx) => (skip.includes(batchIdx) ? null : step(batch, batchIdx));
      const trainer = quiet({ maxEpochs: 1, accumulateGradBatches });
      await trainer.fit(model, { train });
      return [trainer.globalStep, ...model.layer.weight.dataSync()];
    };
    const batches = boringBatches(4);
    expect(await weights([1], 1)).toEqual(await weights([], 1, [batches[0]!, batches[2]!, batches[3]!]));
    const [steps, ...values] = await weights([1, 2], 2);
    const [expectedSteps, ...expected] = await weights([], 1, [batches[0]!, batches[3]!]);
    expect(steps).toBe(expectedSteps);
    values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));
  });
});

describe("what the Trainer says of itself", () => {
  it("while it runs", async () => {
    const seen: unknown[] = [];
    class Looking extends BoringModel {
      override onTrainBatchEnd(): void {
        const { training, evaluating, isLastBatch, optimizers, trainDataloader } = this.trainer;
        seen.push([
          training,
          evaluating,
          isLastBatch,
          optimizers.length,
          trainDataloader === data.trainDataloader(),
        ]);
      }
      override onValidationStart(): void {
        const { state, training, validating, sanityChecking, evaluating, valDataloaders } = this.trainer;
        seen.push([state.stage, training, validating, sanityChecking, evaluating, valDataloaders.length]);
      }
    }
    const data = DataModule.fromLoaders({
      train: boringBatches(2),
      val: boringBatches(1),
      test: boringBatches(3),
    });
    const trainer = quiet({ maxEpochs: 1, numSanityValSteps: 1 });
    const model = new Looking();
    await trainer.fit(model, data);
    expect(seen).toEqual([
      ["sanityCheck", false, false, true, true, 1],
      [true, false, false, 1, true],
      [true, false, true, 1, true],
      ["validate", false, true, false, true, 1],
    ]);
    expect([trainer.interrupted, trainer.enableValidation, trainer.lightningModule]).toEqual([
      false,
      true,
      model,
    ]);
    expect([trainer.maxEpochs, trainer.minSteps, trainer.receivedSigterm]).toEqual([1, 0, false]);
    await trainer.test(model, data);
    expect([trainer.numTestBatches, trainer.testDataloaders.length, trainer.state.fn]).toEqual([
      3,
      1,
      "test",
    ]);
  });
});
