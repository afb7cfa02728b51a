/** What configureOptimizers may return, when its schedulers are stepped, and that a resumed run steps them alike. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import { readOptimizers } from "../../src/core/configure_optimizers.js";
import {
  Callback,
  Trainer,
  type LrSchedulerOptions,
  type OptimizerConfiguration,
  type TrainerOptions,
} from "../../src/core/index.js";
import {
  LambdaLR,
  LrScheduler,
  OneCycleLR,
  Parameter,
  ReduceLROnPlateau,
  SGD,
  StepLR,
  type Optimizer,
} from "../../src/nn/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };

/** Trains with the schedulers that the function makes, and notes the learning rate of each optimizer step. */
class Scheduled extends BoringModel {
  readonly rates: number[] = [];
  readonly #make: (optimizer: Optimizer) => LrScheduler | LrSchedulerOptions;
  valLosses: number[] | undefined;

  constructor(make: (optimizer: Optimizer) => LrScheduler | LrSchedulerOptions) {
    super();
    this.#make = make;
  }

  override validationStep(): void {
    const value = this.valLosses?.[this.currentEpoch];
    if (value !== undefined) this.log("val_loss", value, { batchSize: 1 });
  }

  override configureOptimizers(): OptimizerConfiguration {
    const optimizer = new SGD(this.parameters(), { lr: 1 });
    return { optimizer, lrScheduler: this.#make(optimizer) };
  }

  override onBeforeOptimizerStep(optimizer: Optimizer): void {
    this.rates.push(optimizer.paramGroups[0]!.lr);
  }
}

const counting = (optimizer: Optimizer) => new LambdaLR(optimizer, (step) => step + 1);

async function ratesOf(model: Scheduled, batches: number, options: TrainerOptions): Promise<number[]> {
  await new Trainer({ ...quiet, ...options }).fit(model, {
    train: boringBatches(batches),
    val: boringBatches(1),
  });
  return model.rates;
}

describe("schedulers are stepped", () => {
  it.each<[string, Omit<LrSchedulerOptions, "scheduler">, TrainerOptions, number[]]>([
    ["after each epoch", {}, {}, [1, 1, 1, 2, 2, 2, 3, 3, 3]],
    ["after every second epoch", { frequency: 2 }, {}, [1, 1, 1, 1, 1, 1, 2, 2, 2]],
    ["after each step", { interval: "step" }, {}, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["after every fourth step", { interval: "step", frequency: 4 }, {}, [1, 1, 1, 1, 2, 2, 2, 2, 3]],
    [
      "after each optimizer step of accumulated batches",
      { interval: "step" },
      { accumulateGradBatches: 2 },
      [1, 2, 3, 4, 5, 6],
    ],
  ])("%s", async (_title, options, trainerOptions, expected) => {
    const model = new Scheduled((optimizer) => ({ scheduler: counting(optimizer), ...options }));
    expect(await ratesOf(model, 3, { maxEpochs: 3, ...trainerOptions })).toEqual(expected);
  });

  it("given alone, after each epoch", async () => {
    expect(await ratesOf(new Scheduled(counting), 1, { maxEpochs: 3 })).toEqual([1, 2, 3]);
  });

  it("plateaus after the epoch's validation, with its metric", async () => {
    const model = new Scheduled((optimizer) => ({
      scheduler: new ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.5 }),
      monitor: "val_loss",
    }));
    model.valLosses = [3, 2, 2.5, 1, 4, 4];
    expect(await ratesOf(model, 2, { maxEpochs: 6 })).toEqual([
      1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25,
    ]);
  });

  it("plateaus of the interval step after each step, with what it logged", async () => {
    class Rising extends Scheduled {
      override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
        this.log("height", batchIdx);
        return super.trainingStep(batch, batchIdx);
      }
    }
    const model = new Rising((optimizer) => ({
      scheduler: new ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.5 }),
      monitor: "height",
      interval: "step",
    }));
    expect(await ratesOf(model, 4, { maxEpochs: 1 })).toEqual([1, 1, 0.5, 0.25]);
  });

  it("through the module's lrSchedulerStep", async () => {
    const calls: [LrScheduler, number | undefined][] = [];
    class Own extends Scheduled {
      override lrSchedulerStep(scheduler: LrScheduler, metric: number | undefined): void {
        calls.push([scheduler, metric]);
      }
    }
    const model = new Own((optimizer) => ({
      scheduler: new ReduceLROnPlateau(optimizer),
      monitor: "val_loss",
      name: "plateau",
    }));
    model.valLosses = [3, 2];
    let seen: Trainer["lrSchedulerConfigs"] = [];
    model.onTrainStart = () => {
      seen = model.trainer.lrSchedulerConfigs;
      expect(model.lrSchedulers()).toEqual([seen[0]!.scheduler]);
    };
    await ratesOf(model, 1, { maxEpochs: 2 });
    const [{ scheduler, ...config }] = seen as [(typeof seen)[0]];
    expect(config).toEqual({
      interval: "epoch",
      frequency: 1,
      monitor: "val_loss",
      strict: true,
      name: "plateau",
      reduceOnPlateau: true,
    });
    expect(calls).toEqual([
      [scheduler, 3],
      [scheduler, 2],
    ]);
  });

  it("unless the metric is missing: an error, or with strict: false a step left out", async () => {
    const make = (strict: boolean) =>
      new Scheduled((optimizer) => ({
        scheduler: new ReduceLROnPlateau(optimizer, { patience: 0 }),
        monitor: "vall_loss",
        strict,
      }));
    await expect(ratesOf(make(true), 1, { maxEpochs: 1 })).rejects.toThrow(
      expect.objectContaining({
        code: "ERR_MONITOR_MISSING",
        message:
          'ReduceLROnPlateau monitors "vall_loss", which was not logged. Choose one of "train_loss". ' +
          'Log it with this.log("vall_loss", value).',
      }) as Error,
    );
    expect(await ratesOf(make(false), 1, { maxEpochs: 3 })).toEqual([1, 1, 1]);
  });
});

describe("a resumed run", () => {
  class StopAfter extends Callback {
    readonly #epoch: number;
    readonly #path: string;
    constructor(epoch: number, path: string) {
      super();
      this.#epoch = epoch;
      this.#path = path;
    }
    override get monitors(): boolean {
      return true;
    }
    override async onTrainEpochEnd(trainer: Trainer): Promise<void> {
      if (trainer.currentEpoch !== this.#epoch) return;
      await trainer.saveCheckpoint(this.#path);
      throw new Error("the process died");
    }
  }

  it.each<[string, (optimizer: Optimizer) => LrSchedulerOptions]>([
    [
      "a plateau",
      (optimizer) => ({ scheduler: new ReduceLROnPlateau(optimizer, { patience: 0 }), monitor: "val_loss" }),
    ],
    [
      "steps",
      (optimizer) => ({ scheduler: new StepLR(optimizer, { stepSize: 2 }), interval: "step", frequency: 2 }),
    ],
    [
      "one cycle",
      (optimizer) => ({
        scheduler: new OneCycleLR(optimizer, { maxLr: 1, totalSteps: 15 }),
        interval: "step",
      }),
    ],
  ])("has the same learning rates: %s", async (_title, make) => {
    const folder = await mkdtemp(join(tmpdir(), "kindling-schedulers-"));
    try {
      const valLosses = [3, 3, 2, 5, 5];
      const whole = new Scheduled(make);
      whole.valLosses = valLosses;
      await ratesOf(whole, 3, { maxEpochs: 5 });
      for (const epoch of [0, 1, 3]) {
        const ckptPath = join(folder, `${epoch}.ckpt`);
        const broken = new Scheduled(make);
        broken.valLosses = valLosses;
        const options = { maxEpochs: 5, callbacks: new StopAfter(epoch, ckptPath) };
        await expect(ratesOf(broken, 3, options)).rejects.toThrow("the process died");
        const resumed = new Scheduled(make);
        resumed.valLosses = valLosses;
        const data = { train: boringBatches(3), val: boringBatches(1) };
        await new Trainer({ ...quiet, maxEpochs: 5 }).fit(resumed, data, { ckptPath });
        expect([...broken.rates, ...resumed.rates]).toEqual(whole.rates);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("refuses a checkpoint of another number of schedulers", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kindling-schedulers-"));
    const ckptPath = join(folder, "one.ckpt");
    try {
      const saving = new Scheduled(counting);
      const options = { maxEpochs: 1, callbacks: new StopAfter(0, ckptPath) };
      await expect(ratesOf(saving, 1, options)).rejects.toThrow("the process died");
      await expect(
        new Trainer({ ...quiet, maxEpochs: 2 }).fit(
          new BoringModel(),
          { train: boringBatches(1) },
          { ckptPath },
        ),
      ).rejects.toThrow(
        "The checkpoint has the state of 1 schedulers, and configureOptimizers gave 0. " +
          "Configure them as they were when it was saved.",
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("readOptimizers", () => {
  const optimizer = new SGD([new Parameter(tf.zeros([1]))], { lr: 1 });
  const other = new SGD([new Parameter(tf.zeros([1]))], { lr: 1 });
  const scheduler = new StepLR(optimizer, { stepSize: 1 });
  const plateau = new ReduceLROnPlateau(optimizer);
  const cycle = new OneCycleLR(optimizer, { maxLr: 1, totalSteps: 1, cycleMomentum: false });

  it("takes several optimizers in manual optimization", () => {
    const otherPlateau = new ReduceLROnPlateau(other);
    const { optimizers, lrSchedulerConfigs } = readOptimizers(
      "Gan",
      [
        { optimizer, lrScheduler: scheduler },
        { optimizer: other, lrScheduler: { scheduler: otherPlateau, name: "d" } },
      ],
      false,
    );
    expect(optimizers).toEqual([optimizer, other]);
    expect(lrSchedulerConfigs.map(({ scheduler, name }) => [scheduler, name])).toEqual([
      [scheduler, undefined],
      [otherPlateau, "d"],
    ]);
    expect(readOptimizers("Gan", [], false).optimizers).toEqual([]);
  });

  it("takes one in an array", () => {
    expect(readOptimizers("Model", [optimizer], true).optimizers).toEqual([optimizer]);
  });

  const SHAPES =
    "must return an Optimizer, or { optimizer, lrScheduler }, or in manual optimization an array of them, and returned";
  it.each<[unknown, string]>([
    [undefined, `${SHAPES} undefined.`],
    [{}, `${SHAPES} an object with nothing.`],
    [[[optimizer]], `${SHAPES} an array.`],
    [scheduler, `${SHAPES} a StepLR.`],
    [
      [optimizer, other],
      "returned 2 optimizers, and automatic optimization steps one. Return one, or set " +
        "automaticOptimization = false and step them in trainingStep.",
    ],
    [
      { optimizer, scheduler },
      'gave "scheduler" beside the optimizer, which means nothing there. ' +
        'Choose one of "optimizer", "lrScheduler". Did you mean "lrScheduler"?',
    ],
    [
      { optimizer, lrScheduler: { schedule: scheduler } },
      "must give lrScheduler as an LrScheduler, or { scheduler, interval, … }, not an object with schedule.",
    ],
    [
      { optimizer, lrScheduler: { scheduler, every: 2 } },
      'gave "every" in lrScheduler, which means nothing there. Choose one of "scheduler", "interval", "frequency", ' +
        '"monitor", "strict", "name", "reduceOnPlateau".',
    ],
    [
      { optimizer: other, lrScheduler: scheduler },
      "returned a StepLR of an optimizer that it did not return. Make the scheduler with the optimizer beside it.",
    ],
    [
      { optimizer, lrScheduler: { scheduler, interval: "batch" } },
      'must give interval as "step" or "epoch", not "batch".',
    ],
    [
      { optimizer, lrScheduler: { scheduler, frequency: 0.5 } },
      "must give frequency as an integer of at least 1, not 0.5.",
    ],
    [
      { optimizer, lrScheduler: plateau },
      "returned a ReduceLROnPlateau without the metric it follows. Say which: " +
        '{ optimizer, lrScheduler: { scheduler, monitor: "val_loss" } }.',
    ],
    [
      { optimizer, lrScheduler: { scheduler, monitor: "val_loss" } },
      'gave monitor: "val_loss" for a StepLR, which follows no metric. Leave monitor out, or use ReduceLROnPlateau.',
    ],
    [
      { optimizer, lrScheduler: cycle },
      "returned a OneCycleLR without an interval. Its cycle is usually counted in optimizer steps: give interval: " +
        '"step", or "epoch" where you mean epochs.',
    ],
  ])("refuses %#", (configuration, problem) => {
    expect(() => readOptimizers("Model", configuration, true)).toThrow(
      expect.objectContaining({
        code: "ERR_CONFIGURE_OPTIMIZERS",
        message: `Model.configureOptimizers() ${problem}`,
      }) as Error,
    );
  });

  it("refuses what only the Trainer would do in manual optimization", () => {
    const configuration = { optimizer, lrScheduler: { scheduler, interval: "step" } };
    expect(() => readOptimizers("Gan", configuration, false)).toThrow(
      "Gan.configureOptimizers() gave interval to a scheduler in manual optimization, where the Trainer steps none. " +
        "Leave it out, and step lrSchedulers() in the module.",
    );
  });

  it("fails the fit", async () => {
    class Model extends BoringModel {
      override configureOptimizers(): OptimizerConfiguration {
        return undefined as unknown as OptimizerConfiguration;
      }
    }
    await expect(new Trainer(quiet).fit(new Model(), { train: boringBatches(1) })).rejects.toThrow(
      "Model.configureOptimizers() must return",
    );
  });
});
