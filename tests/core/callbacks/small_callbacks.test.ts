/** The small callbacks: accumulation, lambdas, learning rates, device statistics, exceptions, predictions, spikes. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  BasePredictionWriter,
  Callback,
  DeviceStatsMonitor,
  GradientAccumulationScheduler,
  LambdaCallback,
  LearningRateMonitor,
  OnExceptionCheckpoint,
  SpikeDetection,
  TrainingSpikeException,
  type SpikeDetectionOptions,
  type Trainer,
  type WriteInterval,
} from "../../../src/core/index.js";
import { AdamW, SGD } from "../../../src/nn/index.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";
import { data, ListLogger, quiet, Scored, temporaryFolder } from "./support.js";

const folder = temporaryFolder();

describe("GradientAccumulationScheduler", () => {
  const scheduler = () => new GradientAccumulationScheduler({ scheduling: { 1: 2, 3: 4 } });

  it("changes the batches of a step from epoch to epoch, and the estimate knows", async () => {
    const steps: number[] = [];
    let estimate = 0;
    const counter = new LambdaCallback({
      onTrainStart: (trainer) => void (estimate = trainer.estimatedSteppingBatches),
      onTrainEpochEnd: (trainer) => void steps.push(trainer.globalStep),
    });
    const trainer = quiet({ maxEpochs: 4, callbacks: [scheduler(), counter] });
    await trainer.fit(new BoringModel(), { train: boringBatches(5) });
    // Epoch 0: 5 steps; 1 and 2: windows of 2, 2 and 1; 3: windows of 4 and 1.
    expect(steps).toEqual([5, 8, 11, 13]);
    expect(estimate).toBe(13);
  });

  it("refuses schedules that are none, the option beside it, and manual optimization", async () => {
    const none: Record<number, number>[] = [{}, { 1.5: 1 }, { 0: 0 }];
    for (const scheduling of none) {
      expect(() => new GradientAccumulationScheduler({ scheduling })).toThrow(
        "GradientAccumulationScheduler takes scheduling: { epoch: batches } with epochs from 0 and at least one batch",
      );
    }
    await expect(
      quiet({ callbacks: scheduler(), accumulateGradBatches: 2 }).fit(new BoringModel(), data()),
    ).rejects.toThrow("accumulateGradBatches: 2 and a GradientAccumulationScheduler. Leave one of them out.");
    const manual = Object.assign(new BoringModel(), { automaticOptimization: false });
    const trainer = quiet({});
    expect(() => scheduler().setup(trainer, manual, "fit")).toThrow("would change nothing");
  });
});

describe("LambdaCallback", () => {
  it("runs its functions as hooks and keeps their state", async () => {
    const events: string[] = [];
    const callback = new LambdaCallback({
      onTrainStart: (trainer) => void events.push(`start ${trainer.currentEpoch}`),
      onTrainEnd: (_trainer, module) => void events.push(module.constructor.name),
    });
    await quiet({ maxEpochs: 1, callbacks: callback }).fit(new BoringModel(), data());
    expect(events).toEqual(["start 0", "BoringModel"]);
  });

  it("has every hook that callbacks have, and refuses what is none", () => {
    const hook = () => undefined;
    expect(() => new LambdaCallback({ onTrainEpochBegin: hook } as object)).toThrow(
      /"onTrainEpochBegin", which is no hook.* Did you mean "onTrainEpochEnd"\?/,
    );
    expect(() => new LambdaCallback({ onTrainEnd: 3 } as object)).toThrow("which is no hook with a function");
  });
});

describe("LearningRateMonitor", () => {
  class TwoGroups extends BoringModel {
    override configureOptimizers() {
      return new SGD(
        [
          { params: [this.layer.weight], lr: 0.5 },
          { params: [this.layer.bias!], weightDecay: 0.25 },
        ],
        { lr: 0.1, momentum: 0.9 },
      );
    }
  }

  async function rows(monitor: LearningRateMonitor, model: BoringModel): Promise<ListLogger> {
    const logger = new ListLogger();
    await quiet({ maxEpochs: 2, callbacks: monitor, logger, logEveryNSteps: 1 }).fit(model, data());
    return logger;
  }

  it("names each group, and logs momentum and weight decay if asked", async () => {
    const logger = await rows(
      new LearningRateMonitor({ logMomentum: true, logWeightDecay: true, logKeyPrefix: "opt/" }),
      new TwoGroups(),
    );
    expect(logger.values("opt/lr-SGD/pg1")).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect(logger.values("opt/lr-SGD/pg2")).toEqual([0.1, 0.1, 0.1, 0.1]);
    expect(logger.values("opt/lr-SGD/pg1-momentum")[0]).toBe(0.9);
    expect(logger.values("opt/lr-SGD/pg1-weight_decay")[0]).toBe(0);
    expect(logger.values("opt/lr-SGD/pg2-weight_decay")[0]).toBe(0.25);
  });

  it("logs once an epoch if asked, and of Adam the first beta", async () => {
    class Adams extends BoringModel {
      override configureOptimizers() {
        return new AdamW(this.parameters(), { lr: 0.01, betas: [0.8, 0.999] });
      }
    }
    const logger = await rows(
      new LearningRateMonitor({ loggingInterval: "epoch", logMomentum: true }),
      new Adams(),
    );
    expect(logger.values("lr-AdamW")).toEqual([0.01, 0.01]);
    expect(logger.values("lr-AdamW-momentum")).toEqual([0.8, 0.8]);
  });

  it("refuses a Trainer without logger, and another interval", async () => {
    await expect(
      quiet({ callbacks: new LearningRateMonitor() }).fit(new BoringModel(), data()),
    ).rejects.toThrow("LearningRateMonitor logs what it measures, and this Trainer has logger: false.");
    expect(() => new LearningRateMonitor({ loggingInterval: "batch" as never })).toThrow(
      'the loggingInterval "batch". Choose one of "step", "epoch".',
    );
  });
});

describe("DeviceStatsMonitor", () => {
  it("logs before and after each batch whose turn it is", async () => {
    const logger = new ListLogger();
    const monitor = new DeviceStatsMonitor();
    await quiet({ maxEpochs: 1, callbacks: monitor, logger, logEveryNSteps: 2 }).fit(
      new BoringModel(),
      data(4),
    );
    const names = new Set(logger.rows.flatMap((row) => Object.keys(row)));
    expect(names).toContain("DeviceStatsMonitor.onTrainBatchStart/process_rss_bytes");
    expect(logger.values("DeviceStatsMonitor.onTrainBatchEnd/num_tensors")).toHaveLength(2);
    const [first, second] = logger.values("DeviceStatsMonitor.onTrainBatchEnd/engine_runs");
    expect(second! - first!).toBeGreaterThanOrEqual(2);
    for (const value of logger.values("DeviceStatsMonitor.onTrainBatchEnd/cpu_percent")) {
      expect(value).toBeGreaterThanOrEqual(0);
    }
  });

  it("leaves out the process's numbers, and all but the wanted names", async () => {
    const logger = new ListLogger();
    const monitor = new DeviceStatsMonitor({ cpuStats: false, filterKeys: ["tensor", "rss"] });
    await quiet({ maxEpochs: 1, callbacks: monitor, logger, logEveryNSteps: 1 }).fit(new BoringModel(), {
      train: boringBatches(1),
    });
    const names = Object.keys(logger.rows[0]!).filter((name) => name.startsWith("DeviceStatsMonitor"));
    expect(names).toEqual([
      "DeviceStatsMonitor.onTrainBatchStart/num_tensors",
      "DeviceStatsMonitor.onTrainBatchStart/tensor_bytes",
    ]);
  });

  it("needs a logger", async () => {
    await expect(
      quiet({ callbacks: new DeviceStatsMonitor() }).fit(new BoringModel(), data()),
    ).rejects.toThrow("DeviceStatsMonitor logs what it measures");
  });
});

describe("OnExceptionCheckpoint", () => {
  it("is there after a failure, whole enough to go on from, and gone after a good end", async () => {
    const callback = new OnExceptionCheckpoint({ dirpath: folder.path });
    const model = new BoringModel();
    model.onTrainBatchEnd = (_outputs, _batch, batchIdx) => {
      if (batchIdx === 1) throw new Error("on purpose");
    };
    await expect(quiet({ maxEpochs: 1, callbacks: callback }).fit(model, data(4))).rejects.toThrow(
      "on purpose",
    );
    expect(readdirSync(folder.path)).toEqual(["on_exception.safetensors"]);
    const trainer = quiet({ maxEpochs: 1, callbacks: callback });
    await trainer.fit(new BoringModel(), data(4), { ckptPath: callback.ckptPath });
    expect(trainer.globalStep).toBe(4);
    expect(existsSync(callback.ckptPath)).toBe(false);
  });
});

describe("BasePredictionWriter", () => {
  class Writer extends BasePredictionWriter {
    readonly batches: [number[], number][] = [];
    epoch: unknown;
    override writeOnBatchEnd(
      _trainer: Trainer,
      _module: unknown,
      prediction: { shape: number[] },
      indices: readonly number[],
      _batch: unknown,
      batchIdx: number,
    ) {
      expect(prediction.shape).toEqual([indices.length, 2]);
      this.batches.push([[...indices], batchIdx]);
    }
    override writeOnEpochEnd(
      _trainer: Trainer,
      _module: unknown,
      predictions: readonly (readonly unknown[])[],
      indices: unknown,
    ) {
      this.epoch = [predictions[0]!.length, indices];
    }
  }

  async function write(writeInterval: WriteInterval): Promise<Writer> {
    const writer = new Writer({ writeInterval });
    const predict = [...boringBatches(2, 3), ...boringBatches(1, 2)];
    await quiet({ callbacks: writer }).predict(new BoringModel(), { predict });
    return writer;
  }
  const batches = [
    [[0, 1, 2], 0],
    [[3, 4, 5], 1],
    [[6, 7], 2],
  ];
  const epoch = [
    3,
    [
      [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7],
      ],
    ],
  ];

  it("writes each batch, the epoch, or both, with the samples' places", async () => {
    expect(await write("batch")).toMatchObject({ batches, epoch: undefined });
    expect(await write("epoch")).toMatchObject({ batches: [], epoch });
    expect(await write("batch_and_epoch")).toMatchObject({ batches, epoch });
  });

  it("refuses another interval and a missing method", async () => {
    expect(() => new Writer({ writeInterval: "step" as never })).toThrow(
      'Writer was given the writeInterval "step". Choose one of "batch", "epoch", "batch_and_epoch".',
    );
    class Empty extends BasePredictionWriter {}
    const empty = new Empty({ writeInterval: "epoch" });
    await expect(
      quiet({ callbacks: empty }).predict(new BoringModel(), { predict: boringBatches(1) }),
    ).rejects.toThrow('Empty has writeInterval "epoch" and no method writeOnEpochEnd.');
  });
});

describe("SpikeDetection", () => {
  /** A model whose losses are given. */
  class Losses extends BoringModel {
    readonly #losses: readonly number[];
    constructor(losses: readonly number[]) {
      super();
      this.#losses = losses;
    }
    override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
      const loss = this.loss(batch);
      const wanted = this.#losses[batchIdx]!;
      return { loss: tf.add(tf.sub(loss, loss), wanted) };
    }
  }
  const run = (losses: readonly number[], options: SpikeDetectionOptions = {}) => {
    const callback = new SpikeDetection(options);
    return quiet({ maxEpochs: 1, callbacks: callback, defaultRootDir: folder.path }).fit(new Losses(losses), {
      train: boringBatches(losses.length),
    });
  };
  const spikeAt = async (losses: readonly number[], options: SpikeDetectionOptions = {}) => {
    const error: unknown = await run(losses, options).catch((error: unknown) => error);
    return error instanceof TrainingSpikeException ? error.batchIdx : undefined;
  };

  it("stops where the loss is more than twice its mean above it, and lists the batches", async () => {
    // Mean of 1, 1, 1 is 1: a spike is at least 2 away, so 3 is one and 2.9 is none.
    await expect(run([1, 1, 1, 3])).rejects.toMatchObject({
      code: "ERR_TRAINING_SPIKE",
      batchIdx: 3,
      message: expect.stringContaining(
        "The loss is 3 in epoch 0, batch 3, and its mean over the 3 batches before was 1.",
      ) as string,
    });
    expect(JSON.parse(readFileSync(join(folder.path, "skip_batches.json"), "utf8"))).toEqual([
      { epoch: 0, batchIdx: 2 },
      { epoch: 0, batchIdx: 3 },
    ]);
    expect(await spikeAt([1, 1, 1, 2.875])).toBeUndefined();
  });

  it("takes both tolerances, the window, the mode and the warm-up into account", async () => {
    expect(await spikeAt([1, 1, 4], { atol: 5 })).toBeUndefined();
    expect(await spikeAt([1, 1, 4], { atol: 3, rtol: undefined })).toBe(2);
    expect(await spikeAt([9, 1, 1, 4])).toBeUndefined();
    expect(await spikeAt([9, 1, 1, 4], { window: 2 })).toBe(3);
    expect(await spikeAt([4, 4, 1], { rtol: 0.5 })).toBeUndefined();
    expect(await spikeAt([4, 4, 1], { rtol: 0.5, mode: "max" })).toBe(2);
    expect(await spikeAt([1, 5, 5], { warmup: 2 })).toBeUndefined();
  });

  it("takes a loss that is not finite for a spike, unless told otherwise", async () => {
    expect(await spikeAt([1, NaN])).toBe(1);
    expect(await spikeAt([1, NaN, 1], { finiteOnly: false })).toBeUndefined();
    expect(() => new SpikeDetection({ mode: "up" as never })).toThrow("SpikeDetection was given the mode");
  });

  it("goes on from a checkpoint with the losses before", () => {
    const callback = new SpikeDetection();
    const state = { losses: [1, "NaN"], seen: 2, badBatches: [{ epoch: 0, batchIdx: 1 }] };
    callback.loadStateDict(state);
    expect(callback.stateDict()).toEqual(state);
  });
});

it("a development run needs no logger for callbacks that log", async () => {
  const callbacks: Callback[] = [new LearningRateMonitor(), new DeviceStatsMonitor()];
  await quiet({ fastDevRun: true, callbacks }).fit(new Scored([1]), data());
});
