/** The Trainer with loss scaling, in float32 so that the numbers are known: its plugin asks the engine for nothing else. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../../support/backend.js";
import {
  Fabric,
  GradScaler,
  MixedPrecision,
  readCheckpoint,
  Trainer,
  type TrainerOptions,
} from "../../../src/core/index.js";
import { SGD } from "../../../src/nn/index.js";
import { seedEverything } from "../../../src/random.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";

class ScaledInFloat32 extends MixedPrecision {
  override get enginePrecision(): "32-true" {
    return "32-true";
  }
}

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };
const scaled = (options = {}) => new ScaledInFloat32({ scaler: new GradScaler(options) });
const weights = (model: BoringModel) => [...model.layer.weight.dataSync(), ...model.layer.bias!.dataSync()];

function seeded<M>(create: () => M): M {
  seedEverything(3);
  return create();
}

/** Its loss overflows in one batch. */
class Overflowing extends BoringModel {
  override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
    return tf.mul(this.loss(batch), batchIdx === 1 ? Infinity : 1);
  }
}

describe("mixed precision in the Trainer", () => {
  it("has the bits of a run without scaling, clipped and accumulated, as scales are powers of two", async () => {
    const options = { ...quiet, maxEpochs: 1, accumulateGradBatches: 2, gradientClipVal: 0.1 };
    const plain = seeded(() => new BoringModel());
    await new Trainer(options).fit(plain, { train: boringBatches(5) });
    const other = seeded(() => new BoringModel());
    const trainer = new Trainer({ ...options, plugins: scaled() });
    await trainer.fit(other, { train: boringBatches(5) });
    expect(weights(other)).toEqual(weights(plain));
    expect(trainer.strategy.precision.stateDict()).toMatchObject({ scale: 65536, growthTracker: 3 });
  });

  it("leaves a batch out whose gradients are not finite, and lowers the scale", async () => {
    const batches = boringBatches(3);
    const without = seeded(() => new BoringModel());
    await new Trainer({ ...quiet, maxEpochs: 1 }).fit(without, { train: [batches[0]!, batches[2]!] });
    const model = seeded(() => new Overflowing());
    const trainer = new Trainer({ ...quiet, maxEpochs: 1, plugins: scaled() });
    await trainer.fit(model, { train: batches });
    expect(weights(model)).toEqual(weights(without));
    expect(trainer.strategy.precision.stateDict()).toMatchObject({ scale: 32768, growthTracker: 1 });
  });

  it("keeps the scale in checkpoints", async () => {
    const path = join(await mkdtemp(join(tmpdir(), "kindling-")), "scaled.ckpt");
    class Saving extends Overflowing {
      override async onTrainEpochEnd(): Promise<void> {
        await this.trainer.saveCheckpoint(path);
      }
    }
    const first = new Trainer({ ...quiet, maxEpochs: 1, plugins: scaled() });
    await first.fit(new Saving(), { train: boringBatches(3) });
    expect((await readCheckpoint(path)).precision).toMatchObject({ scale: 32768, growthTracker: 1 });
    const second = new Trainer({ ...quiet, maxEpochs: 2, plugins: scaled() });
    await second.fit(new BoringModel(), { train: boringBatches(3) }, { ckptPath: path });
    expect(second.strategy.precision.stateDict()).toMatchObject({ scale: 32768, growthTracker: 4 });
  });

  it("goes on after a run that failed between backward pass and step", async () => {
    let fails = true;
    class Failing extends BoringModel {
      override onBeforeOptimizerStep(): void {
        if (fails) throw new Error("here");
      }
    }
    const trainer = new Trainer({ ...quiet, maxEpochs: 1, plugins: scaled() });
    await expect(trainer.fit(new Failing(), { train: boringBatches(1) })).rejects.toThrow("here");
    fails = false;
    await trainer.fit(new Failing(), { train: boringBatches(1) });
  });
});

describe("mixed precision in Fabric", () => {
  it("skips, and keeps the scale in its files", async () => {
    const path = join(await mkdtemp(join(tmpdir(), "kindling-")), "fabric.ckpt");
    const fabric = new Fabric({ plugins: scaled() });
    await fabric.launch();
    const raw = new BoringModel();
    const [model, optimizer] = fabric.setup(raw, new SGD(raw.parameters(), { lr: 0.1 }));
    const before = weights(model);
    for await (const batch of fabric.setupDataloaders(boringBatches(1))) {
      fabric.backward(() => tf.mul(model.loss(batch), NaN));
      fabric.clipGradients(model, optimizer, { maxNorm: 1 });
      expect(optimizer.step()).toBe(false);
      optimizer.zeroGrad();
    }
    expect(weights(model)).toEqual(before);
    await fabric.save(path, { model });
    const next = new Fabric({ plugins: scaled() });
    await next.launch();
    await next.load(path, { model });
    expect(next.precision.stateDict()).toMatchObject({ scale: 32768, growthTracker: 0 });
  });
});
