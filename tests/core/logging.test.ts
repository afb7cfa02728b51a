/** The rules of log(): names, means, where it is allowed, and what reaches the loggers. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  Callback,
  LearningRateMonitor,
  Logger,
  Trainer,
  type AnyLightningModule,
  type LogOptions,
  type LogValue,
  type MetricRecord,
  type OptimizerConfiguration,
} from "../../src/core/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { MeanMetric, SGD } from "../../src/nn/index.js";
import { boringBatches, BoringModel, type BoringBatch } from "../support/boring_model.js";

class MemoryLogger extends Logger {
  readonly name = "memory";
  readonly version = 0;
  readonly rows: (MetricRecord & { step: number })[] = [];
  readonly calls: unknown[] = [];

  logMetrics(metrics: MetricRecord, step: number): void {
    this.rows.push({ ...metrics, step });
  }

  logHyperparams(hparams: object): void {
    this.calls.push(hparams);
  }

  override finalize(status: string): void {
    this.calls.push(status);
  }
}

/** Batches of the given sizes whose values are all the batch's number, from 1. */
const numbered = (...sizes: number[]): BoringBatch[] =>
  sizes.map((size, i) => ({ input: new HostTensor(new Float32Array(size * 32).fill(i + 1), [size, 32]) }));

/** Logs the mean of each batch in every step. */
class MeanModel extends BoringModel {
  readonly #options: LogOptions;

  constructor(options: LogOptions = {}) {
    super();
    this.#options = options;
  }

  override trainingStep(batch: { input: tf.Tensor }) {
    this.log("mean", tf.mean(batch.input), this.#options);
    return this.loss(batch);
  }

  override validationStep(batch: { input: tf.Tensor }): void {
    this.log("val_mean", tf.mean(batch.input), this.#options);
  }
}

function trainer(options: object = {}) {
  const logger = new MemoryLogger();
  return {
    logger,
    trainer: new Trainer({ maxEpochs: 1, logger, enableProgressBar: false, logEveryNSteps: 1, ...options }),
  };
}

describe("values", () => {
  it("of training steps are logged by step, and the epoch has none", async () => {
    const run = trainer();
    await run.trainer.fit(new MeanModel(), { train: numbered(1, 1, 1) });
    expect(run.logger.rows).toEqual([
      { epoch: 0, mean: 1, step: 0 },
      { epoch: 0, mean: 2, step: 1 },
      { epoch: 0, mean: 3, step: 2 },
    ]);
    expect(run.trainer.callbackMetrics).toEqual({ mean: 3 });
  });

  it("of validation steps are logged by epoch, as a mean weighted by batch size", async () => {
    const run = trainer({ limitTrainBatches: 1 });
    await run.trainer.fit(new MeanModel(), { train: numbered(1), val: numbered(5, 5, 2) });
    // (1·5 + 2·5 + 3·2) / 12
    expect(run.logger.rows).toEqual([
      { epoch: 0, mean: 1, step: 0 },
      { epoch: 0, val_mean: 1.75, step: 0 },
    ]);
    expect(await run.trainer.validate(new MeanModel(), { val: numbered(5, 5, 2) })).toEqual({
      val_mean: 1.75,
    });
  });

  it("with onStep and onEpoch have two names, and the plain one for monitors", async () => {
    const run = trainer({ logEveryNSteps: 2 });
    await run.trainer.fit(new MeanModel({ onStep: true, onEpoch: true }), {
      train: numbered(3, 1),
      val: numbered(3, 1),
    });
    expect(run.logger.rows).toEqual([
      { epoch: 0, mean_step: 2, step: 1 },
      { epoch: 0, val_mean_step: 1, step: 0 },
      { epoch: 0, val_mean_step: 2, step: 1 },
      { epoch: 0, val_mean_epoch: 1.25, step: 1 },
      { epoch: 0, mean_epoch: 1.25, step: 1 },
    ]);
    expect(run.trainer.callbackMetrics).toEqual({
      mean: 1.25,
      mean_step: 2,
      mean_epoch: 1.25,
      val_mean: 1.25,
      val_mean_step: 2,
      val_mean_epoch: 1.25,
    });
  });

  it.each([
    ["min", 1],
    ["max", 3],
    ["sum", 6],
    ["mean", 2],
  ] as const)("are reduced by %s", async (reduceFx, expected) => {
    const run = trainer();
    const model = new MeanModel({ onStep: false, onEpoch: true, reduceFx });
    await run.trainer.fit(model, { train: numbered(2, 2, 2) });
    expect(run.trainer.callbackMetrics).toEqual({ mean: expected });
  });

  it("take the batch size that is given", async () => {
    class Weighted extends MeanModel {
      override validationStep(batch: { input: tf.Tensor }, batchIdx = 0): void {
        this.log("val_mean", tf.mean(batch.input), { batchSize: batchIdx === 0 ? 9 : 1 });
      }
    }
    const result = await trainer().trainer.validate(new Weighted(), { val: numbered(1, 1) });
    expect(result.val_mean).toBeCloseTo(1.1, 12);
  });

  it("may be metrics, which are read and reset at the end of each epoch", async () => {
    class WithMetric extends BoringModel {
      readonly mean = new MeanMetric();
      override validationStep({ input }: { input: tf.Tensor }): void {
        this.mean.update(tf.mean(input));
        this.log("val_mean", this.mean, { progBar: true });
      }
    }
    const run = trainer({ maxEpochs: 2 });
    await run.trainer.fit(new WithMetric(), { train: numbered(1), val: numbered(1, 3) });
    const rows = run.logger.rows.filter((row) => "val_mean" in row);
    expect(rows.map((row) => row.val_mean)).toEqual([1.5, 1.5]);
    expect(run.trainer.progressBarMetrics).toMatchObject({ val_mean: 1.5 });
  });

  it("with logger: false reach monitors only, with progBar the bar", async () => {
    const run = trainer();
    await run.trainer.fit(new MeanModel({ logger: false, progBar: true }), { train: numbered(1) });
    expect(run.logger.rows).toEqual([]);
    expect(run.trainer.progressBarMetrics).toEqual({ mean: 1 });
  });

  it("of an epoch are there in the epoch's own hooks, module's before monitors'", async () => {
    const seen: MetricRecord[] = [];
    class Monitor extends Callback {
      override get monitors() {
        return true;
      }
      override onTrainEpochEnd(trainer: Trainer) {
        seen.push(trainer.callbackMetrics);
      }
    }
    class Model extends MeanModel {
      override onTrainEpochEnd(): void {
        this.log("twice", 2 * this.trainer.callbackMetrics.mean!);
      }
    }
    const run = trainer({ callbacks: new Monitor() });
    await run.trainer.fit(new Model({ onStep: false, onEpoch: true }), { train: numbered(1, 1) });
    expect(seen).toEqual([{ mean: 1.5, twice: 3 }]);
    expect(run.logger.rows).toEqual([{ epoch: 0, mean: 1.5, twice: 3, step: 1 }]);
  });

  it("leave no trace of the sanity check", async () => {
    let logged: unknown;
    class Look extends Callback {
      override onTrainStart(trainer: Trainer) {
        logged = trainer.callbackMetrics;
      }
    }
    const run = trainer({ callbacks: new Look() });
    await run.trainer.fit(new MeanModel({ onStep: true, onEpoch: true }), {
      train: numbered(1),
      val: numbered(1, 1),
    });
    expect(logged).toEqual({});
    expect(run.logger.rows.filter((row) => "val_mean_step" in row)).toHaveLength(2);
  });
});

describe("loggers", () => {
  it("are given a row every logEveryNSteps optimizer steps, and none while accumulating", async () => {
    const run = trainer({ logEveryNSteps: 2, accumulateGradBatches: 2, maxEpochs: 2 });
    await run.trainer.fit(new MeanModel(), { train: numbered(1, 1, 1, 1, 1, 1) });
    expect(run.logger.rows).toEqual([
      { epoch: 0, mean: 4, step: 1 },
      { epoch: 1, mean: 2, step: 3 },
      { epoch: 1, mean: 6, step: 5 },
    ]);
  });

  it("are given the hyperparameters and told how the run ended", async () => {
    const model = new MeanModel();
    model.saveHyperparameters({ width: 2 });
    const run = trainer();
    await run.trainer.fit(model, { train: numbered(1) });
    model.trainingStep = () => {
      throw new Error("on purpose");
    };
    await expect(run.trainer.fit(model, { train: numbered(1) })).rejects.toThrow("on purpose");
    expect(run.logger.calls).toEqual([{ width: 2 }, "success", { width: 2 }, "failed"]);
  });

  it("see the learning rates that LearningRateMonitor logs", async () => {
    class Groups extends BoringModel {
      override configureOptimizers(): OptimizerConfiguration {
        const { weight, bias } = this.layer;
        return new SGD([{ params: [weight], lr: 0.5 }, { params: [bias!] }], { lr: 0.25 });
      }
    }
    const run = trainer({ callbacks: new LearningRateMonitor() });
    await run.trainer.fit(new Groups(), { train: boringBatches(1) });
    expect(run.logger.rows).toMatchObject([{ "lr-SGD/pg1": 0.5, "lr-SGD/pg2": 0.25, step: 0 }]);
    const epochs = trainer({
      callbacks: new LearningRateMonitor({ loggingInterval: "epoch" }),
      logEveryNSteps: 0,
    });
    await epochs.trainer.fit(new BoringModel(), { train: boringBatches(2) });
    expect(epochs.logger.rows).toEqual([{ epoch: 0, "lr-SGD": 0.1, step: 1 }]);
  });
});

describe("log()", () => {
  /** Calls log in one hook of the module. */
  async function logIn(hook: string, value: unknown, options: LogOptions = {}, name = "x"): Promise<void> {
    const model = new BoringModel() as BoringModel & Record<string, unknown>;
    const original = model[hook] as ((...args: unknown[]) => unknown) | undefined;
    model[hook as "anything"] = (...args: unknown[]) => {
      model.log(
        name,
        (typeof value === "function" ? (value as () => unknown)() : value) as LogValue,
        options,
      );
      return original?.apply(model, args);
    };
    const data = {
      train: boringBatches(1),
      val: boringBatches(1),
      test: boringBatches(1),
      predict: boringBatches(1),
    };
    const { trainer: one } = trainer();
    if (hook.includes("est")) await one.test(model, data);
    else if (/redict/.test(hook)) await one.predict(model, data);
    else await one.fit(model, data);
  }

  const allowed = [
    "onTrainStart",
    "onTrainEpochStart",
    "onTrainBatchStart",
    "onBeforeZeroGrad",
    "onBeforeBackward",
    "onAfterBackward",
    "onBeforeOptimizerStep",
    "onTrainBatchEnd",
    "onTrainEpochEnd",
    "onValidationStart",
    "onValidationEpochStart",
    "onValidationBatchStart",
    "onValidationBatchEnd",
    "onValidationEpochEnd",
    "onTestStart",
    "onTestBatchEnd",
    "onTestEpochEnd",
  ];

  it.each(allowed)("is allowed in %s", async (hook) => {
    await expect(logIn(hook, 1)).resolves.toBeUndefined();
  });

  const refused = [
    "setup",
    "configureOptimizers",
    "onFitStart",
    "onBeforeBatchTransfer",
    "onAfterBatchTransfer",
    "onValidationModelEval",
    "onValidationEnd",
    "onTrainEnd",
    "onFitEnd",
    "teardown",
    "onTestEnd",
    "predictStep",
    "onPredictEpochEnd",
  ];

  it.each(refused)("is refused in %s", async (hook) => {
    await expect(logIn(hook, 1)).rejects.toThrow(
      `log("x") was called inside \`${hook}\`, where no step or epoch is open to add it to.`,
    );
  });

  it.each([
    ["onTrainEpochEnd", 1, { onStep: true }, "which belongs to no step. Leave onStep out there."],
    ["trainingStep", 1, { onStep: false }, 'log("x") with onStep and onEpoch both false logs nothing.'],
    ["trainingStep", () => tf.ones([2, 3]), {}, "not a tensor of shape [2, 3]. Reduce it first"],
    ["trainingStep", "high", {}, "not high (string)."],
    [
      "trainingStep",
      { a: 1, b: 2 },
      {},
      "not an object with the keys a, b; logDict takes several values at once, in one flat object.",
    ],
    ["trainingStep", undefined, {}, "not undefined (undefined)."],
    ["trainingStep", 1, { reduceFx: "median" }, 'Choose one of "mean", "min", "max", "sum".'],
    [
      "validationStep",
      () => new MeanMetric(),
      { onStep: true },
      "was given a Metric, which has a value over the epoch",
    ],
  ])("in %s refuses what cannot be logged (%#)", async (hook, value, options, message) => {
    await expect(logIn(hook, value, options as LogOptions)).rejects.toThrow(message);
  });

  it("refuses the same name with other options", async () => {
    await expect(logIn("trainingStep", 1, { progBar: false }, "train_loss")).rejects.toThrow(
      'log("train_loss") was called twice in one epoch with different options (progBar).',
    );
  });

  it("asks for the batch size where the batch does not show it", async () => {
    const model = new BoringModel();
    model.validationStep = () => model.log("x", 1);
    await expect(trainer().trainer.validate(model, { val: [{ id: 7 }] })).rejects.toThrow(
      'Pass it: log("x", value, { batchSize }).',
    );
    model.validationStep = () => model.log("x", 1, { batchSize: 2 });
    expect(await trainer().trainer.validate(model, { val: [{ id: 7 }] })).toEqual({ x: 1 });
  });

  it("does nothing without a Trainer, so that a step can be tested alone", () => {
    const model = new BoringModel();
    const { loss } = model.trainingStep({ input: tf.ones([2, 32]) }, 0) as { loss: tf.Tensor };
    expect(loss.shape).toEqual([]);
    expect(() => model.trainer).toThrow("BoringModel is not attached to a Trainer.");
  });

  it("refuses a tensor that is disposed", async () => {
    const model = new BoringModel();
    const gone = tf.scalar(1);
    gone.dispose();
    model.validationStep = () => model.log("x", gone, { batchSize: 1 });
    await expect(trainer().trainer.validate(model, { val: boringBatches(1) })).rejects.toThrow(
      "Tensor is disposed",
    );
  });

  it("works from callbacks through the module, and logDict logs several values", async () => {
    class Logs extends Callback {
      override onTrainBatchEnd(_trainer: Trainer, module: AnyLightningModule) {
        module.logDict({ a: 1, b: tf.scalar(2) }, { onEpoch: true, onStep: false });
      }
    }
    const run = trainer({ callbacks: new Logs(), logEveryNSteps: 0 });
    const before = tf.memory().numTensors;
    await run.trainer.fit(new BoringModel(), { train: boringBatches(2) });
    expect(run.logger.rows).toEqual([{ epoch: 0, a: 1, b: 2, step: 1 }]);
    // The callback's own two scalars, made outside a step, and the module's weight and bias.
    expect(tf.memory().numTensors - before).toBe(4);
  });
});
