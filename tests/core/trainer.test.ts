/** The Trainer's options, limits, ends and errors. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  Callback,
  DataModule,
  DummyLogger,
  EarlyStopping,
  ModelCheckpoint,
  ProgressBar,
  Trainer,
  type BatchLoader,
  type Stage,
  type TrainerOptions,
} from "../../src/core/index.js";
import { ConfigurationError, DataError } from "../../src/errors.js";
import { HostTensor } from "../../src/host_tensor.js";
import { BatchNorm2d } from "../../src/nn/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const quiet = (options: TrainerOptions = {}): Trainer =>
  new Trainer({ logger: false, enableProgressBar: false, ...options });

/** Counts the batches of each kind of step. */
class Counting extends BoringModel {
  counts = { train: 0, val: 0, test: 0, predict: 0 };

  override trainingStep(batch: { input: tf.Tensor }) {
    this.counts.train++;
    return this.loss(batch);
  }

  override validationStep(): void {
    this.counts.val++;
  }

  override testStep(): void {
    this.counts.test++;
  }

  override predictStep({ input }: { input: tf.Tensor }): unknown {
    this.counts.predict++;
    return this.forward(input);
  }
}

describe("options", () => {
  it.each([
    [{ maxEpoch: 3 }, 'The Trainer has no option "maxEpoch". ', 'Did you mean "maxEpochs"?'],
    [{ maxEpochs: 1.5 }, "option maxEpochs must be an integer >= 0, or -1 for no end, not 1.5.", "."],
    [{ maxSteps: "3" }, 'option maxSteps must be an integer >= 0, or -1 for no end, not "3".', "."],
    [{ limitTrainBatches: 1.5 }, "option limitTrainBatches must be a count of batches", "not 1.5."],
    [
      { limitValBatches: -1 },
      "option limitValBatches must be a count of batches",
      "leave it out for all batches, not -1.",
    ],
    [{ gradientClipVal: 0 }, "option gradientClipVal must be a number > 0, not 0.", "."],
    [{ gradientClipVal: NaN }, "option gradientClipVal must be a number > 0, not NaN.", "."],
    [{ accumulateGradBatches: 0 }, "option accumulateGradBatches must be an integer >= 1, not 0.", "."],
    [{ logger: "csv" }, 'option logger must be true, false, a Logger or an array of them, not "csv".', "."],
    [{ enableProgressBar: 1 }, "option enableProgressBar must be true or false, not 1.", "."],
    [{ defaultRootDir: "" }, "option defaultRootDir must be a folder's path", "."],
  ])("are checked: %j", (options, start, end) => {
    const create = () => new Trainer(options as TrainerOptions);
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(start);
    expect(create).toThrow(end);
  });

  it("have defaults: ten epochs, or no end of epochs where steps are given", () => {
    expect(new Trainer().options.maxEpochs).toBe(10);
    expect(new Trainer({ maxSteps: 5 }).options).toMatchObject({ maxEpochs: -1, maxSteps: 5 });
    expect(new Trainer({ maxEpochs: undefined }).options.maxEpochs).toBe(10);
  });

  it.each([
    [
      { callbacks: new ProgressBar(), enableProgressBar: false },
      "a ProgressBar and enableProgressBar: false",
    ],
    [
      {
        callbacks: [1, 2].map((patience) => new EarlyStopping({ monitor: "a", patience })),
        enableProgressBar: false,
      },
      'Two callbacks have the stateKey "EarlyStopping(a, min)".',
    ],
  ])("and callbacks may not contradict each other (%#)", async (options, message) => {
    const trainer = new Trainer({ logger: false, ...options });
    await expect(trainer.fit(new BoringModel(), { train: boringBatches(1) })).rejects.toThrow(message);
  });
});

describe("limits", () => {
  const data = () => ({ train: boringBatches(10), val: boringBatches(10), test: boringBatches(10) });

  it("are fractions below 1, else counts", async () => {
    const model = new Counting();
    const trainer = quiet({
      maxEpochs: 1,
      limitTrainBatches: 0.25,
      limitValBatches: 3,
      numSanityValSteps: 0,
    });
    await trainer.fit(model, data());
    expect(model.counts).toMatchObject({ train: 2, val: 3 });
    await quiet({ limitTestBatches: 1 }).test(model, data());
    await quiet({ limitTestBatches: 99 }).test(model, data());
    expect(model.counts.test).toBe(11);
  });

  it("of 0 switch a loop off", async () => {
    const model = new Counting();
    await quiet({ maxEpochs: 1, limitTrainBatches: 0, limitValBatches: 0 }).fit(model, data());
    expect(model.counts).toMatchObject({ train: 0, val: 0 });
  });

  it("name the smallest usable fraction, and refuse fractions of unknown lengths", async () => {
    await expect(quiet({ limitTrainBatches: 0.05 }).fit(new Counting(), data())).rejects.toThrow(
      "limitTrainBatches: 0.05 of 10 batches is less than one batch. The smallest usable fraction is 0.1;",
    );
    const unsized: BatchLoader = { *[Symbol.iterator]() {} };
    await expect(quiet({ limitTrainBatches: 0.5 }).fit(new Counting(), { train: unsized })).rejects.toThrow(
      "limitTrainBatches: 0.5 is a fraction, and the loader does not tell its length.",
    );
  });

  it("let the sanity check run its own number of batches", async () => {
    for (const [steps, expected] of [
      [0, 10],
      [2, 12],
      [-1, 20],
    ] as const) {
      const model = new Counting();
      await quiet({ maxEpochs: 1, limitTrainBatches: 1, numSanityValSteps: steps }).fit(model, data());
      expect(model.counts.val).toBe(expected);
    }
  });

  it("of fastDevRun touch every loop and write nothing", async () => {
    const model = new Counting();
    const callbacks = [new ModelCheckpoint(), new EarlyStopping({ monitor: "missing" })];
    const trainer = quiet({ fastDevRun: 2, callbacks });
    await trainer.fit(model, data());
    await trainer.test(model, data());
    await trainer.predict(model, { predict: boringBatches(5) });
    expect(model.counts).toEqual({ train: 2, val: 2, test: 2, predict: 2 });
    expect(trainer.checkpointCallback).toBeUndefined();
    expect(trainer.loggers).toEqual([]);
    expect(quiet({ fastDevRun: true, logger: true }).logger).toBeInstanceOf(DummyLogger);
  });
});

describe("training ends", () => {
  it("after maxSteps in the middle of an epoch, which is still validated", async () => {
    const model = new Counting();
    const trainer = quiet({ maxSteps: 5, numSanityValSteps: 0 });
    await trainer.fit(model, { train: boringBatches(4), val: boringBatches(1) });
    expect([trainer.globalStep, model.counts.train, model.counts.val]).toEqual([5, 5, 2]);
  });

  it("after the running batch where shouldStop is set, and a second fit starts anew", async () => {
    class Stop extends Callback {
      override onTrainBatchEnd(trainer: Trainer): void {
        trainer.shouldStop = trainer.globalStep === 3;
      }
    }
    const model = new Counting();
    const trainer = quiet({ maxEpochs: 2, callbacks: new Stop() });
    await trainer.fit(model, { train: boringBatches(4) });
    expect([trainer.globalStep, trainer.currentEpoch]).toEqual([3, 1]);
    await trainer.fit(model, { train: boringBatches(2) });
    expect([trainer.globalStep, trainer.currentEpoch]).toEqual([3, 2]);
  });

  it("for an epoch where onTrainBatchStart returns -1", async () => {
    const model = new Counting();
    model.onTrainBatchStart = (_batch, batchIdx) => (batchIdx === 1 ? -1 : undefined);
    const trainer = quiet({ maxEpochs: 3 });
    await trainer.fit(model, { train: boringBatches(5) });
    expect([model.counts.train, trainer.currentEpoch]).toEqual([3, 3]);
  });

  it("where a loader without a length ends; its last batch is known", async () => {
    const unsized: BatchLoader = {
      *[Symbol.iterator]() {
        yield* boringBatches(5);
      },
    };
    const trainer = quiet({ maxEpochs: 1, accumulateGradBatches: 2 });
    await trainer.fit(new Counting(), { train: unsized });
    expect([trainer.globalStep, trainer.numTrainingBatches]).toEqual([3, Infinity]);
  });
});

describe("errors", () => {
  it("of data that are missing, empty or shorter than announced", async () => {
    await expect(quiet().fit(new BoringModel(), {})).rejects.toThrow(
      "fit needs train data, and there is none: give the data module a trainDataloader() that returns a loader, " +
        "or pass { train: loader }.",
    );
    await expect(quiet().fit(new BoringModel(), { train: [] })).rejects.toThrow(DataError);
    const short = { length: 3, [Symbol.iterator]: () => boringBatches(2).values() };
    await expect(quiet({ maxEpochs: 1 }).fit(new BoringModel(), { train: short })).rejects.toThrow(
      "A loader announced 3 batches and gave 2.",
    );
  });

  it("of steps that are missing", async () => {
    const model = new BoringModel();
    Object.assign(model, { testStep: undefined });
    await expect(quiet().test(model, { test: boringBatches(1) })).rejects.toThrow(
      "BoringModel has no testStep, which test runs.",
    );
  });

  it("of hooks inside a step that are asynchronous", async () => {
    const model = new BoringModel();
    Object.assign(model, { onAfterBackward: async () => undefined });
    await expect(quiet().fit(model, { train: boringBatches(1) })).rejects.toThrow(
      "`onAfterBackward` returned a promise.",
    );
  });

  it("of two runs at once", async () => {
    const trainer = quiet({ maxEpochs: 1 });
    const first = trainer.fit(new BoringModel(), { train: boringBatches(3) });
    await expect(trainer.test(new BoringModel(), { test: boringBatches(1) })).rejects.toThrow(
      "This Trainer is running fit. Wait for it before calling test, or use another Trainer.",
    );
    await first;
  });

  it("in onException do not hide the first one", async () => {
    class Clumsy extends Callback {
      override onException(): void {
        throw new Error("second");
      }
    }
    const model = new BoringModel();
    model.trainingStep = () => {
      throw new Error("first");
    };
    await expect(quiet({ callbacks: new Clumsy() }).fit(model, { train: boringBatches(1) })).rejects.toThrow(
      "first",
    );
  });
});

describe("the module", () => {
  class WithNorm extends BoringModel {
    readonly norm = new BatchNorm2d(2);
    readonly modes: boolean[][] = [];
    override trainingStep(batch: { input: tf.Tensor }) {
      this.modes.push([this.training, this.norm.training]);
      return this.loss(batch);
    }
    override validationStep(): void {
      this.modes.push([this.training, this.norm.training]);
    }
  }

  it("is in eval mode for validation, and every part gets its own mode back", async () => {
    const model = new WithNorm();
    model.norm.eval();
    await quiet({ maxEpochs: 2, numSanityValSteps: 0 }).fit(model, {
      train: boringBatches(1),
      val: boringBatches(1),
    });
    const [train, val] = [
      [true, false],
      [false, false],
    ];
    expect(model.modes).toEqual([train, val, train, val]);
    expect(model.training).toBe(true);
  });

  it("freezes and unfreezes its parameters", () => {
    const model = new BoringModel();
    model.freeze();
    expect([model.layer.weight.requiresGrad, model.layer.training]).toEqual([false, false]);
    model.unfreeze();
    expect([model.layer.weight.requiresGrad, model.layer.training]).toEqual([true, true]);
  });

  it("changes batches on the host and on the device, and replaces loaders", async () => {
    const seen: number[][] = [];
    class Changing extends BoringModel {
      override processDataloader(loader: BatchLoader, part: string): BatchLoader {
        return part === "train" ? [loader] : loader;
      }
      override async onBeforeBatchTransfer() {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return { input: new HostTensor(Uint8Array.of(...Array<number>(32).fill(255)), [1, 32]) };
      }
      override onAfterBatchTransfer(batch: { input: tf.Tensor }) {
        return { input: tf.div(batch.input, 255) };
      }
      override trainingStep(batch: { input: tf.Tensor }) {
        seen.push(Array.from(batch.input.dataSync()));
        return this.loss(batch);
      }
    }
    await quiet({ maxEpochs: 1 }).fit(new Changing(), { train: boringBatches(7) });
    expect(seen).toEqual([Array(32).fill(1)]);
  });
});

describe("data modules", () => {
  it("are asked for the stage's loaders after setup", async () => {
    class Data extends DataModule {
      readonly stages: string[] = [];
      override setup(stage: Stage): void {
        this.stages.push(stage);
      }
      override async teardown(stage: Stage): Promise<void> {
        this.stages.push(`end of ${stage}`);
      }
      override async testDataloader() {
        return boringBatches(2);
      }
    }
    const data = new Data();
    const result = await quiet().test(new BoringModel(), data);
    expect(Object.keys(result)).toEqual(["test_loss"]);
    expect(data.stages).toEqual(["test", "end of test"]);
  });

  it("tell loaders the epoch", async () => {
    const epochs: number[] = [];
    const batches = boringBatches(1);
    const train: BatchLoader = {
      [Symbol.iterator]: () => batches.values(),
      setEpoch: (epoch) => void epochs.push(epoch),
    };
    await quiet({ maxEpochs: 3 }).fit(new BoringModel(), { train });
    expect(epochs).toEqual([0, 1, 2]);
  });
});

describe("predict", () => {
  it("gives one host prediction for each sample", async () => {
    const model = new BoringModel();
    const [batch] = boringBatches(1, 3);
    const predictions = (await quiet().predict(model, { predict: [batch, batch] })) as HostTensor[];
    const expected = tf.tidy(() =>
      model.forward(tf.tensor(batch!.input.data, [3, 32])).arraySync(),
    ) as number[][];
    expect(predictions.map(({ data }) => Array.from(data))).toEqual([...expected, ...expected]);
    expect(predictions[0]!.shape).toEqual([2]);
  });

  it("cuts objects of tensors by sample, and keeps what has no common first axis whole", async () => {
    const model = new BoringModel();
    const data = { predict: boringBatches(1, 2) };
    model.predictStep = () => ({
      score: tf.tensor1d([1, 2]),
      box: { at: tf.tensor2d([[1], [2]], [2, 1], "int32") },
    });
    const at = (value: number) => new HostTensor(Int32Array.of(value), [1]);
    const score = (value: number) => new HostTensor(Float32Array.of(value), []);
    expect(await quiet().predict(model, data)).toEqual([
      { score: score(1), box: { at: at(1) } },
      { score: score(2), box: { at: at(2) } },
    ]);
    model.predictStep = () => ["a", "b"];
    expect(await quiet().predict(model, data)).toEqual(["a", "b"]);
    model.predictStep = () => tf.scalar(3);
    expect(await quiet().predict(model, data)).toEqual([score(3)]);
  });
});

it("finalizes as finished, and says what it did", async () => {
  const trainer = quiet({ maxEpochs: 1 });
  expect(trainer.state.status).toBe("initializing");
  await trainer.fit(new BoringModel(), { train: boringBatches(3), val: boringBatches(2) });
  expect(trainer.state).toEqual({ fn: "fit", stage: undefined, status: "finished" });
  expect(trainer.estimatedSteppingBatches).toBe(3);
  expect([trainer.numTrainingBatches, trainer.numValBatches, trainer.numSanityValBatches]).toEqual([3, 2, 2]);
});
