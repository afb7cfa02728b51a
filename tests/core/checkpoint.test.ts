/** Checkpoints: what is saved comes back, and training goes on from one as if nothing had happened. */
import * as tf from "@tensorflow/tfjs-core";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  Callback,
  encodeSafetensors,
  EarlyStopping,
  readCheckpoint,
  Trainer,
  writeCheckpoint,
  type Checkpoint,
  type OptimizerConfiguration,
} from "../../src/core/index.js";
import { writeFileAtomically } from "../../src/atomic_write.js";
import { HostTensor } from "../../src/host_tensor.js";
import { AdamW, Dropout, WarmupCosine } from "../../src/nn/index.js";
import { VERSION } from "../../src/version.js";
import { Generator, getGlobalGenerator, getGlobalSeed, seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel, type BoringBatch } from "../support/boring_model.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-checkpoint-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const checkpoint = (): Checkpoint => ({
  kindlingVersion: VERSION,
  stateDict: { "layer.weight": new HostTensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]) },
  progress: { epoch: 2, batchInEpoch: 3, batchesSinceValidation: 3, globalStep: 40, phase: "batches" },
  hparams: { lr: 0.1, layers: [1, 2], name: "ünicode" },
  dataModule: { hparams: { batchSize: 4 }, state: { cursor: 7 } },
  optimizerStates: [{ tensors: { "0.expAvg": new HostTensor(Float32Array.of(7), [1]) }, steps: { 0: 40 } }],
  lrSchedulers: [{ lastStep: 4, initialLrs: [0.1] }],
  accumulation: { batches: 2, gradients: { 0: new HostTensor(Float32Array.of(0.5), [1]) } },
  precision: { scale: 65536 },
  callbacks: {
    EarlyStopping: { waitCount: 1, bestScore: -Infinity, last: NaN, zero: -0 },
    Odd: { $tensor: "a user's own key", __proto__name: [null, true, [], {}] },
  },
  random: { seed: 5, state: [1, -2, 3, 4] },
  extra: {
    classes: new HostTensor(Int32Array.of(3, 4), [2]),
    mask: [new HostTensor(Uint8Array.of(1), [1], "bool")],
  },
});

describe("a checkpoint file", () => {
  it("gives back what was written", async () => {
    const path = join(folder, "deep", "a.safetensors");
    await writeCheckpoint(path, checkpoint());
    expect(await readCheckpoint(path)).toEqual(checkpoint());
  });

  it("is refused with the reason where it is not one", async () => {
    const missing = join(folder, "missing.safetensors");
    await expect(readCheckpoint(missing)).rejects.toThrow(`The checkpoint ${missing} cannot be read: ENOENT`);
    const foreign = join(folder, "foreign.safetensors");
    writeFileSync(foreign, encodeSafetensors({}, { format: "pt" }));
    await expect(readCheckpoint(foreign)).rejects.toThrow(
      `${foreign} is a safetensors file, but not a checkpoint of Kindling (its format is "pt")`,
    );
    const newer = join(folder, "newer.safetensors");
    writeFileSync(newer, encodeSafetensors({}, { format: "kindling-checkpoint", version: "9", state: "{}" }));
    await expect(readCheckpoint(newer)).rejects.toThrow(
      "has checkpoint version 9, and this release reads versions 1 to 2",
    );
  });

  it("that cannot be written leaves the old one and no temporary file", async () => {
    const path = join(folder, "taken");
    await writeFileAtomically(join(path, "inside"), "old");
    await expect(writeFileAtomically(path, "new")).rejects.toThrow(`${path} could not be written`);
    expect(readdirSync(folder)).toEqual(["taken"]);
    expect(readdirSync(path)).toEqual(["inside"]);
  });
});

/** Shuffles by epoch, as a DataLoader does. */
class ShuffledLoader {
  readonly #batches = boringBatches(6);
  readonly given: number[] = [];
  #epoch = 0;

  get length(): number {
    return this.#batches.length;
  }

  setEpoch(epoch: number): void {
    this.#epoch = epoch;
  }

  *[Symbol.iterator](): Iterator<BoringBatch> {
    for (const index of new Generator(getGlobalSeed(), this.#epoch).permutation(this.length)) {
      this.given.push(index);
      yield this.#batches[index]!;
    }
  }
}

class DropoutModel extends BoringModel {
  readonly dropout = new Dropout(0.3);

  override forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(this.dropout.forward(input));
  }

  override configureOptimizers(): OptimizerConfiguration {
    const optimizer = new AdamW(this.parameters(), { lr: 0.03 });
    const scheduler = new WarmupCosine(optimizer, { totalSteps: this.trainer.estimatedSteppingBatches });
    return { optimizer, lrScheduler: { scheduler, interval: "step" } };
  }
}

/** Saves at one point of training, and may end the run there as if the process had died. */
class SaveAt extends Callback {
  readonly #hook: string;
  readonly #epoch: number;
  readonly #batch: number;
  readonly #path: string;

  constructor(hook: string, epoch: number, batch: number, path: string) {
    super();
    [this.#hook, this.#epoch, this.#batch, this.#path] = [hook, epoch, batch, path];
  }

  override get monitors(): boolean {
    return true;
  }

  override async onTrainBatchEnd(trainer: Trainer, _m: unknown, _o: unknown, _b: unknown, batchIdx: number) {
    if (this.#hook === "onTrainBatchEnd" && batchIdx === this.#batch) await this.#save(trainer);
  }

  override async onValidationEnd(trainer: Trainer) {
    if (this.#hook === "onValidationEnd" && !trainer.sanityChecking) await this.#save(trainer);
  }

  override async onTrainEpochEnd(trainer: Trainer) {
    if (this.#hook === "onTrainEpochEnd") await this.#save(trainer);
  }

  async #save(trainer: Trainer): Promise<void> {
    if (trainer.currentEpoch !== this.#epoch) return;
    await trainer.saveCheckpoint(this.#path);
    throw new Error("the process dies");
  }
}

describe("training that goes on from a checkpoint", () => {
  const options = { maxEpochs: 3, logger: false, enableProgressBar: false } as const;
  const weights = (model: BoringModel) => Array.from(model.layer.weight.dataSync());
  const val = () => boringBatches(2, 4, 11);

  it.each([
    ["onTrainBatchEnd", 0, 0],
    ["onTrainBatchEnd", 1, 3],
    ["onTrainBatchEnd", 1, 5],
    ["onValidationEnd", 1, 0],
    ["onTrainEpochEnd", 0, 0],
    ["onTrainEpochEnd", 1, 0],
  ])(
    "has the bits of a run without a break, saved in %s of epoch %i, batch %i",
    async (hook, epoch, batch) => {
      seedEverything(9);
      const whole = new DropoutModel();
      await new Trainer(options).fit(whole, { train: new ShuffledLoader(), val: val() });

      seedEverything(9);
      const path = join(folder, "broken.safetensors");
      const stopping = () => new EarlyStopping({ monitor: "val_loss", patience: 100 });
      const broken = new Trainer({
        ...options,
        callbacks: [stopping(), new SaveAt(hook, epoch, batch, path)],
      });
      await expect(
        broken.fit(new DropoutModel(), { train: new ShuffledLoader(), val: val() }),
      ).rejects.toThrow("dies");

      seedEverything(1234);
      const resumed = new DropoutModel();
      const trainer = new Trainer({ ...options, callbacks: stopping() });
      await trainer.fit(resumed, { train: new ShuffledLoader(), val: val() }, { ckptPath: path });
      expect(weights(resumed)).toEqual(weights(whole));
      expect(trainer.globalStep).toBe(18);
      expect(trainer.currentEpoch).toBe(3);
    },
  );

  it("restores seed, generator and callbacks, and saves hyperparameters", async () => {
    seedEverything(21);
    const path = join(folder, "state.safetensors");
    const model = new BoringModel();
    model.saveHyperparameters({ width: 32 });
    const stopping = new EarlyStopping({ monitor: "val_loss", minDelta: 100, patience: 9 });
    const trainer = new Trainer({
      ...options,
      callbacks: [stopping, new SaveAt("onTrainEpochEnd", 2, 0, path)],
    });
    await expect(trainer.fit(model, { train: boringBatches(2), val: val() })).rejects.toThrow("dies");
    const saved = await readCheckpoint(path);
    expect(saved.hparams).toEqual({ width: 32 });
    expect(saved.random).toEqual({ seed: 21, state: [...getGlobalGenerator().state] });
    expect(saved.callbacks["EarlyStopping(val_loss, min)"]).toMatchObject({ waitCount: 2 });
    expect(Object.keys(saved.stateDict)).toEqual(["layer.bias", "layer.weight"]);
    expect(saved.progress).toEqual({
      epoch: 3,
      batchInEpoch: 0,
      batchesSinceValidation: 0,
      globalStep: 6,
      phase: "batches",
    });
  });

  it("is refused where the checkpoint was saved after the fit, with weights only", async () => {
    const path = join(folder, "weights.safetensors");
    const trainer = new Trainer({ ...options, maxEpochs: 1 });
    const model = new BoringModel();
    await expect(trainer.saveCheckpoint(path)).rejects.toThrow("before this Trainer had a module to save");
    await trainer.fit(model, { train: boringBatches(1) });
    await trainer.saveCheckpoint(path);
    expect(existsSync(path)).toBe(true);
    await expect(trainer.fit(model, { train: boringBatches(1) }, { ckptPath: path })).rejects.toThrow(
      "Training cannot go on from this checkpoint: it holds weights only",
    );
    const other = new BoringModel();
    other.loadStateDict((await readCheckpoint(path)).stateDict);
    expect(weights(other)).toEqual(weights(model));
  });
});
