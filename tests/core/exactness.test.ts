/** The Trainer against loops written by hand: the same numbers to the last bit. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import { Trainer, type OptimizerConfiguration, type TrainerOptions } from "../../src/core/index.js";
import { fromHost, markStep } from "../../src/engine/index.js";
import {
  AdamW,
  clipGradNorm,
  computeGradients,
  Dropout,
  SGD,
  WarmupCosine,
  type Optimizer,
} from "../../src/nn/index.js";
import { getGlobalGenerator, seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel, type BoringBatch } from "../support/boring_model.js";

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };

class AdamModel extends BoringModel {
  override configureOptimizers(): OptimizerConfiguration {
    return new AdamW(this.parameters(), { lr: 0.05 });
  }
}

class DropoutModel extends AdamModel {
  readonly dropout = new Dropout(0.5);

  override forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(this.dropout.forward(input));
  }
}

function seeded<M>(create: () => M): M {
  seedEverything(3);
  return create();
}

const weights = (model: BoringModel) => [...model.layer.weight.dataSync(), ...model.layer.bias!.dataSync()];

/** One update from the mean gradient over these batches, as a user of `nn` would write it. */
function update(model: BoringModel, optimizer: Optimizer, window: BoringBatch[], maxNorm?: number): void {
  tf.tidy(() => {
    for (const batch of window) {
      computeGradients(
        () => tf.div(model.loss({ input: fromHost(batch.input) }), window.length),
        model.parameters(),
      );
    }
    if (maxNorm !== undefined) clipGradNorm(model.parameters(), maxNorm);
    optimizer.step();
    optimizer.zeroGrad();
  });
  markStep();
}

describe("the Trainer against a loop written by hand", () => {
  it("has bit-identical weights after three epochs with AdamW, logging and validation", async () => {
    const batches = boringBatches(10);
    const byHand = seeded(() => new AdamModel());
    const optimizer = byHand.configureOptimizers() as Optimizer;
    const before = weights(byHand);
    for (let epoch = 0; epoch < 3; epoch++) for (const batch of batches) update(byHand, optimizer, [batch]);

    const trained = seeded(() => new AdamModel());
    await new Trainer({ ...quiet, maxEpochs: 3 }).fit(trained, { train: batches, val: boringBatches(2) });
    expect(weights(trained)).toEqual(weights(byHand));
    expect(weights(trained)).not.toEqual(before);
  });

  it("draws the same dropout masks, sanity check and validation or not", async () => {
    const batches = boringBatches(5);
    const byHand = seeded(() => new DropoutModel());
    const optimizer = byHand.configureOptimizers() as Optimizer;
    for (const batch of batches) update(byHand, optimizer, [batch]);

    class Noisy extends DropoutModel {
      override validationStep(): void {
        if (this.trainer.sanityChecking) getGlobalGenerator().uniform();
      }
    }
    const trained = seeded(() => new Noisy());
    await new Trainer({ ...quiet, maxEpochs: 1 }).fit(trained, { train: batches, val: boringBatches(2) });
    expect(weights(trained)).toEqual(weights(byHand));
  });

  it("clips the common norm of all gradients", async () => {
    const batches = boringBatches(4);
    const byHand = seeded(() => new BoringModel());
    const optimizer = new SGD(byHand.parameters(), { lr: 0.1 });
    for (const batch of batches) update(byHand, optimizer, [batch], 0.01);

    const trained = seeded(() => new BoringModel());
    await new Trainer({ ...quiet, maxEpochs: 1, gradientClipVal: 0.01 }).fit(trained, { train: batches });
    expect(weights(trained)).toEqual(weights(byHand));
  });

  it("averages a short last window over its true size when accumulating", async () => {
    const batches = boringBatches(5);
    const byHand = seeded(() => new BoringModel());
    const optimizer = new SGD(byHand.parameters(), { lr: 0.1 });
    for (const window of [batches.slice(0, 3), batches.slice(3)]) update(byHand, optimizer, window);

    const trained = seeded(() => new BoringModel());
    const trainer = new Trainer({ ...quiet, maxEpochs: 1, accumulateGradBatches: 3 });
    await trainer.fit(trained, { train: batches });
    expect(trainer.globalStep).toBe(2);
    const expected = weights(byHand);
    weights(trained).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));
  });

  it("steps the schedule after each step, or after each epoch", async () => {
    const rates: Record<string, number[]> = { step: [], epoch: [] };
    for (const interval of ["step", "epoch"] as const) {
      class Scheduled extends BoringModel {
        override configureOptimizers(): OptimizerConfiguration {
          const optimizer = new SGD(this.parameters(), { lr: 1 });
          const scheduler = new WarmupCosine(optimizer, {
            totalSteps: this.trainer.estimatedSteppingBatches,
          });
          return { optimizer, lrScheduler: { scheduler, interval } };
        }
        override onBeforeOptimizerStep(optimizer: Optimizer): void {
          rates[interval]!.push(optimizer.paramGroups[0]!.lr);
        }
      }
      await new Trainer({ ...quiet, maxEpochs: 2 }).fit(new Scheduled(), { train: boringBatches(2) });
    }
    const cosine = (step: number) => (1 + Math.cos((Math.PI * step) / 4)) / 2;
    expect(rates.step).toEqual([0, 1, 2, 3].map(cosine));
    expect(rates.epoch).toEqual([0, 0, 1, 1].map(cosine));
  });
});
