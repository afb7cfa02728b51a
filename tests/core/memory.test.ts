/** Memory and the event loop are the Trainer's business: no tensor is left behind, and timers run. */
import * as tf from "@tensorflow/tfjs-core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  Callback,
  ModelCheckpoint,
  Trainer,
  type AnyLightningModule,
  type OptimizerConfiguration,
  type TrainerOptions,
} from "../../src/core/index.js";
import { Accuracy, AdamW } from "../../src/nn/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

class AdamModel extends BoringModel {
  readonly accuracy = new Accuracy({ numClasses: 2 });

  override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
    this.log("batch_mean", tf.mean(batch.input), { onStep: true, onEpoch: true });
    const output = super.trainingStep(batch, batchIdx);
    return { loss: (output as { loss: tf.Tensor }).loss, logits: this.forward(batch.input), note: "extra" };
  }

  override validationStep(batch: { input: tf.Tensor }): tf.Tensor {
    super.validationStep(batch);
    const logits = this.forward(batch.input);
    this.accuracy.update(logits, tf.zeros([logits.shape[0]], "int32"));
    this.log("val_accuracy", this.accuracy);
    return logits;
  }

  override configureOptimizers(): OptimizerConfiguration {
    return new AdamW(this.parameters());
  }
}

class CountTensors extends Callback {
  readonly counts: number[] = [];

  override onTrainBatchEnd(): void {
    this.counts.push(tf.memory().numTensors);
  }
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-memory-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const options = (more: TrainerOptions = {}): TrainerOptions => ({
  maxEpochs: 2,
  enableProgressBar: false,
  defaultRootDir: folder,
  logEveryNSteps: 3,
  ...more,
});

const data = () => ({
  train: boringBatches(6),
  val: boringBatches(3),
  test: boringBatches(2),
  predict: boringBatches(2),
});

describe("tensors", () => {
  it("stay the same in number from step to step", async () => {
    const counter = new CountTensors();
    await new Trainer(options({ callbacks: counter, logger: false })).fit(new AdamModel(), {
      train: boringBatches(20),
    });
    const [first, second] = [counter.counts.slice(0, 20), counter.counts.slice(20)];
    expect(new Set(first.slice(2)).size).toBe(1);
    expect(new Set([...second.slice(2), first.at(-1)]).size).toBe(1);
  });

  it("are none but the module's own after fit, validate, test and predict", async () => {
    const module = new AdamModel();
    const before = tf.memory().numTensors;
    const trainer = new Trainer(
      options({ callbacks: new ModelCheckpoint({ monitor: "val_loss", mode: "max" }) }),
    );
    for (const fn of ["fit", "validate", "test", "predict", "fit"] as const) {
      await trainer[fn](module, data());
      expect(tf.memory().numTensors, fn).toBe(before);
    }
  });

  const failing = [
    "setup",
    "onFitStart",
    "onTrainStart",
    "onTrainEpochStart",
    "onTrainBatchStart",
    "onAfterBatchTransfer",
    "trainingStep",
    "onBeforeZeroGrad",
    "onBeforeBackward",
    "onAfterBackward",
    "onBeforeOptimizerStep",
    "configureGradientClipping",
    "onTrainBatchEnd",
    "onValidationStart",
    "validationStep",
    "onValidationBatchEnd",
    "onValidationEpochEnd",
    "onValidationEnd",
    "onTrainEpochEnd",
    "onSaveCheckpoint",
    "onTrainEnd",
    "onFitEnd",
    "teardown",
  ];

  it.each(failing)("are freed, and no scope is open, after an exception in %s", async (name) => {
    const module = new AdamModel();
    const before = tf.memory().numTensors;
    const methods = module as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
    const original = methods[name];
    let calls = 0;
    methods[name] = (...args) => {
      const result = original?.apply(module, args);
      if (++calls === 2 || !/Batch|Step|Backward|Grad/.test(name)) throw new Error("on purpose");
      return result;
    };
    const trainer = new Trainer(
      options({ numSanityValSteps: 0, callbacks: new ModelCheckpoint({ monitor: "val_loss" }) }),
    );
    await expect(trainer.fit(module, data())).rejects.toThrow("on purpose");
    expect(tf.engine().state.scopeStack).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
    methods[name] = original;
    await trainer.fit(module, data());
    expect(trainer.state.status).toBe("finished");
  });
});

describe("a step", () => {
  it("must be synchronous", async () => {
    const module = new BoringModel();
    const before = tf.memory().numTensors;
    module.trainingStep = (async () => tf.scalar(0)) as never;
    await expect(new Trainer(options()).fit(module, data())).rejects.toThrow(
      "`trainingStep` returned a promise. It runs inside a step, which is synchronous",
    );
    // The scalar that the asynchronous function itself made is in the step's scope and freed as well.
    expect(tf.memory().numTensors).toBe(before);
  });

  it("must give a loss", async () => {
    const module = new BoringModel();
    module.trainingStep = (() => undefined) as never;
    await expect(new Trainer(options()).fit(module, data())).rejects.toThrow(
      "trainingStep must return the loss as a tensor with one element, or an object with it as `loss`; " +
        "it returned no tensor (undefined).",
    );
  });

  it("gives its outputs to onTrainBatchEnd, tensors still readable", async () => {
    const shapes: unknown[] = [];
    class Reader extends Callback {
      override async onTrainBatchEnd(_trainer: Trainer, _module: AnyLightningModule, outputs: unknown) {
        const { logits, note } = outputs as { logits: tf.Tensor; note: string };
        shapes.push([(await logits.data()).length, note]);
      }
    }
    await new Trainer(options({ callbacks: new Reader(), maxEpochs: 1, logger: false })).fit(
      new AdamModel(),
      { train: boringBatches(2) },
    );
    expect(shapes).toEqual([
      [8, "extra"],
      [8, "extra"],
    ]);
  });
});

it("lets timers run between the steps", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await new Trainer(options({ logger: false, maxEpochs: 1 })).fit(new BoringModel(), {
    train: boringBatches(100),
  });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
});
