/** Optimization by the module itself: the same numbers as a loop written by hand, and what it must not do. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import { Trainer, type OptimizerConfiguration, type TrainerOptions } from "../../src/core/index.js";
import { fromHost, markStep } from "../../src/engine/index.js";
import {
  clipGradNorm,
  clipGradValue,
  computeGradients,
  Linear,
  SGD,
  type Parameter,
} from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const quiet = (options: TrainerOptions = {}): Trainer =>
  new Trainer({
    maxEpochs: 1,
    logger: false,
    enableProgressBar: false,
    enableModelSummary: false,
    ...options,
  });

type Batch = { input: tf.Tensor };

const values = (parameter: Parameter) => Array.from(parameter.dataSync());

/** A chain of two layers, each with an optimizer of its own. */
class TwoOptimizers extends BoringModel {
  override automaticOptimization = false;
  readonly first = new Linear(32, 32);

  override forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(this.first.forward(input));
  }

  override configureOptimizers(): OptimizerConfiguration {
    return [
      new SGD(this.first.parameters(), { lr: 0.1 }),
      { optimizer: new SGD(this.layer.parameters(), { lr: 0.2 }) },
    ];
  }

  override trainingStep(batch: Batch): void {
    for (const optimizer of this.optimizers()) {
      this.toggledOptimizer(optimizer, () => {
        this.log(
          "loss",
          this.manualBackward(() => this.loss(batch)),
        );
        this.clipGradients(optimizer, 0.05);
        optimizer.step();
        optimizer.zeroGrad();
      });
    }
  }
}

describe("manual optimization", () => {
  it("has the bits of a loop by hand, counts every step, and leaves no tensor", async () => {
    const batches = boringBatches(4);
    seedEverything(5);
    const byHand = new TwoOptimizers();
    const steps = [
      [new SGD(byHand.first.parameters(), { lr: 0.1 }), byHand.first.parameters()],
      [new SGD(byHand.layer.parameters(), { lr: 0.2 }), byHand.layer.parameters()],
    ] as const;
    for (const batch of batches) {
      tf.tidy(() => {
        for (const [optimizer, parameters] of steps) {
          computeGradients(() => byHand.loss({ input: fromHost(batch.input) }), parameters);
          clipGradNorm(parameters, 0.05);
          optimizer.step();
          optimizer.zeroGrad();
        }
      });
      markStep();
    }
    seedEverything(5);
    const trained = new TwoOptimizers();
    const before = tf.memory().numTensors;
    const trainer = quiet();
    await trainer.fit(trained, { train: batches });
    expect(trained.parameters().map(values)).toEqual(byHand.parameters().map(values));
    expect(trainer.globalStep).toBe(8);
    expect(trainer.callbackMetrics.loss).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("toggles: only one optimizer's parameters get gradients, and frozen ones stay frozen", async () => {
    class Toggling extends TwoOptimizers {
      override trainingStep(batch: Batch): void {
        this.first.bias!.requiresGrad = false;
        const [first, second] = this.optimizers();
        this.toggleOptimizer(first!);
        expect(this.parameters().map(({ requiresGrad }) => requiresGrad)).toEqual([
          false,
          false,
          true,
          false,
        ]);
        expect(() => this.toggleOptimizer(second!)).toThrow(
          "toggleOptimizer was called while an optimizer is toggled.",
        );
        this.manualBackward(() => this.loss(batch));
        expect(this.layer.weight.grad).toBeNull();
        this.untoggleOptimizer();
        expect(this.parameters().map(({ requiresGrad }) => requiresGrad)).toEqual([true, true, true, false]);
      }
    }
    const model = new Toggling();
    expect(Array.from(model.namedParameters(), ([name]) => name)).toEqual([
      "layer.weight",
      "layer.bias",
      "first.weight",
      "first.bias",
    ]);
    await quiet().fit(model, { train: boringBatches(1) });
  });

  it("keeps gradients over batches where the module does not step, and frees them in the end", async () => {
    class Accumulating extends BoringModel {
      override automaticOptimization = false;
      override trainingStep(batch: Batch, batchIdx: number): void {
        const [optimizer] = this.optimizers();
        this.manualBackward(() => tf.div(this.loss(batch), 2));
        if (batchIdx % 2 === 0) return;
        optimizer!.step();
        optimizer!.zeroGrad();
      }
    }
    const batches = boringBatches(5);
    seedEverything(6);
    const automatic = new BoringModel();
    await quiet({ accumulateGradBatches: 2, limitTrainBatches: 4 }).fit(automatic, { train: batches });
    seedEverything(6);
    const manual = new Accumulating();
    const before = tf.memory().numTensors;
    const trainer = quiet();
    await trainer.fit(manual, { train: batches });
    expect(values(manual.layer.weight)).toEqual(values(automatic.layer.weight));
    expect([trainer.globalStep, tf.memory().numTensors]).toEqual([2, before]);
  });

  it("goes on from a checkpoint with the state of every optimizer", async () => {
    const { mkdtempSync, rmSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    const folder = mkdtempSync(`${tmpdir()}/kindling-manual-`);
    class Momentum extends TwoOptimizers {
      override configureOptimizers(): OptimizerConfiguration {
        const momentum = { lr: 0.1, momentum: 0.9 };
        return [new SGD(this.first.parameters(), momentum), new SGD(this.layer.parameters(), momentum)];
      }
    }
    const data = { train: boringBatches(4) };
    seedEverything(7);
    const whole = new Momentum();
    await quiet().fit(whole, data);
    seedEverything(7);
    const broken = new Momentum();
    broken.onTrainBatchEnd = async (_outputs, _batch, batchIdx) => {
      if (batchIdx !== 1) return;
      await broken.trainer.saveCheckpoint(`${folder}/broken.safetensors`);
      throw new Error("dies");
    };
    await expect(quiet().fit(broken, data)).rejects.toThrow("dies");
    const resumed = new Momentum();
    await quiet().fit(resumed, data, { ckptPath: `${folder}/broken.safetensors` });
    expect(resumed.parameters().map(values)).toEqual(whole.parameters().map(values));
    rmSync(folder, { recursive: true });
  });
});

describe("clipGradients", () => {
  it.each([
    ["norm", (parameters: Parameter[]) => clipGradNorm(parameters, 0.01)],
    ["value", (parameters: Parameter[]) => clipGradValue(parameters, 0.01)],
  ] as const)("by %s, as the Trainer's options say", async (gradientClipAlgorithm, clip) => {
    const train = boringBatches(2);
    seedEverything(8);
    const byHand = new BoringModel();
    const optimizer = new SGD(byHand.parameters(), { lr: 0.1 });
    for (const { input } of train) {
      tf.tidy(() => {
        computeGradients(() => byHand.loss({ input: fromHost(input) }), byHand.parameters());
        clip(byHand.parameters());
        optimizer.step();
        optimizer.zeroGrad();
      });
      markStep();
    }
    seedEverything(8);
    const trained = new BoringModel();
    const trainer = quiet({ gradientClipVal: 0.01, gradientClipAlgorithm });
    await trainer.fit(trained, { train });
    expect(trained.parameters().map(values)).toEqual(byHand.parameters().map(values));
  });
});

describe("errors of optimization", () => {
  const data = { train: boringBatches(1) };

  it("options that mean nothing to a module that optimizes by itself", async () => {
    await expect(quiet({ gradientClipVal: 1 }).fit(new TwoOptimizers(), data)).rejects.toThrow(
      "TwoOptimizers has automaticOptimization = false, and the Trainer was given gradientClipVal: 1. Call " +
        "this.clipGradients(optimizer, 1) in trainingStep instead, or leave optimization to the Trainer.",
    );
    await expect(quiet({ accumulateGradBatches: 3 }).fit(new TwoOptimizers(), data)).rejects.toThrow(
      "the Trainer was given accumulateGradBatches: 3. Step the optimizer only when so many batches are done instead",
    );
  });

  it("several optimizers without manual optimization", async () => {
    const model = new TwoOptimizers();
    model.automaticOptimization = true;
    await expect(quiet().fit(model, data)).rejects.toThrow(
      "TwoOptimizers.configureOptimizers() returned 2 optimizers, and automatic optimization steps one. " +
        "Return one, or set automaticOptimization = false and step them in trainingStep.",
    );
  });

  it("backward and step where the Trainer does them", async () => {
    const model = new BoringModel();
    model.trainingStep = (batch) => backwardOf(model, batch);
    await expect(quiet().fit(model, data)).rejects.toThrow(
      "manualBackward was called, and the Trainer computes the gradients and steps the optimizer of BoringModel itself. " +
        "Set automaticOptimization = false in the module to do it yourself.",
    );
    model.onTrainStart = () => model.optimizers()[0]!.step();
    await expect(quiet().fit(model, data)).rejects.toThrow(
      "step was called, and the Trainer computes the gradients",
    );
  });

  it("optimizers outside a fit", async () => {
    const model = new BoringModel();
    model.testStep = () => void model.optimizers();
    await expect(quiet().test(model, { test: boringBatches(1) })).rejects.toThrow(
      "optimizers was called where no fit runs: there are optimizers from onFitStart to onFitEnd.",
    );
  });

  it("an optimizerStep that forgets the closure", async () => {
    class Forgetful extends BoringModel {
      override optimizerStep(): void {}
    }
    await expect(quiet().fit(new Forgetful(), data)).rejects.toThrow(
      "Forgetful.optimizerStep(epoch, batchIdx, optimizer, closure) did not call closure(), which runs trainingStep and " +
        "computes the gradients. Call it before optimizer.step().",
    );
  });
});

function backwardOf(model: BoringModel, batch: Batch): tf.Scalar {
  return model.manualBackward(() => model.loss(batch));
}
