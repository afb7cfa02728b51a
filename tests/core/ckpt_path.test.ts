/** `ckptPath`: a file, "best" or "last", for fit, validate, test and predict. */
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  AsyncCheckpointIO,
  ModelCheckpoint,
  readCheckpoint,
  SafetensorsCheckpointIO,
  Trainer,
  type TrainerOptions,
} from "../../src/core/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-ckpt-path-"));
  seedEverything(4);
});

afterEach(() => rmSync(folder, { recursive: true }));

const weights = (model: BoringModel) => [...model.layer.weight.dataSync()];
const data = () => ({ train: boringBatches(3), val: boringBatches(2, 4, 11) });
const allData = () => ({ ...data(), test: boringBatches(2, 4, 12), predict: boringBatches(1, 4, 13) });

function makeTrainer(options: TrainerOptions = {}): Trainer {
  return new Trainer({ maxEpochs: 3, logger: false, enableProgressBar: false, ...options });
}

/** The first epoch is the best, as the score is its number. */
class FirstIsBest extends BoringModel {
  override validationStep(): void {
    this.log("score", this.currentEpoch, { batchSize: 1 });
  }
}

const best = () => new ModelCheckpoint({ dirpath: folder, monitor: "score", restoreBest: false });

describe('ckptPath: "best"', () => {
  it("is the best checkpoint of the Trainer's last fit, for each function and again and again", async () => {
    const model = new FirstIsBest();
    const checkpoint = best();
    const trainer = makeTrainer({ callbacks: checkpoint });
    await trainer.fit(model, data());
    const last = weights(model);
    const { stateDict } = await readCheckpoint(checkpoint.bestModelPath!);
    const bestWeights = [...stateDict["layer.weight"]!.data];
    expect(last).not.toEqual(bestWeights);
    for (const fn of ["validate", "test", "predict", "validate"] as const) {
      model.loadStateDict({
        "layer.weight": new HostTensor(Float32Array.from(last), [2, 32]),
        "layer.bias": stateDict["layer.bias"]!,
      });
      await trainer[fn](model, allData(), { ckptPath: "best" });
      expect(weights(model)).toEqual(bestWeights);
      expect(trainer.ckptPath).toBe(checkpoint.bestModelPath);
    }
  });

  it("is known of the checkpoint that a module's monitor made", async () => {
    class Monitored extends FirstIsBest {
      override monitor = { metric: "score", mode: "min" as const };
    }
    const model = new Monitored();
    const trainer = makeTrainer({ defaultRootDir: folder });
    await trainer.fit(model, data());
    await trainer.test(model, allData(), { ckptPath: "best" });
    await trainer.test(model, allData(), { ckptPath: "best" });
    expect(trainer.ckptPath).toContain("epoch=0");
  });

  it("may be where a fit begins, which forgets the fit before only then", async () => {
    const trainer = makeTrainer({ callbacks: best() });
    await trainer.fit(new FirstIsBest(), data());
    const path = trainer.checkpointCallback!.bestModelPath;
    await trainer.fit(new FirstIsBest(), data(), { ckptPath: "best" });
    expect(trainer.ckptPath).toBe(path);
  });

  it("is an error that says why there is none", async () => {
    const test = async (options: TrainerOptions, fit: boolean) => {
      const trainer = makeTrainer(options);
      const model = new FirstIsBest();
      if (fit) await trainer.fit(model, data());
      await trainer.test(model, allData(), { ckptPath: "best" });
    };
    await expect(test({ callbacks: best(), fastDevRun: true }, true)).rejects.toThrow(
      'ckptPath: "best" was asked for, but this Trainer has fastDevRun, which saves no checkpoints. ' +
        "Pass a file's path instead, or leave ckptPath out to take the module as it is.",
    );
    await expect(test({}, true)).rejects.toThrow("this Trainer has no ModelCheckpoint that would know it");
    await expect(test({ callbacks: best() }, false)).rejects.toMatchObject({
      code: "ERR_CKPT_PATH",
      message: expect.stringContaining("its ModelCheckpoint has saved none yet. Call fit first.") as string,
    });
  });
});

describe('ckptPath: "last"', () => {
  it("is the newest that a callback left, and a start from the beginning where there is none", async () => {
    const keepAll = () => new ModelCheckpoint({ dirpath: folder, saveTopK: -1 });
    const first = makeTrainer({ callbacks: keepAll() });
    await first.fit(new BoringModel(), data(), { ckptPath: "last" });
    expect(first.ckptPath).toBeUndefined();
    expect(first.globalStep).toBe(9);
    // The newest by time, whatever the names.
    utimesSync(join(folder, "epoch=0-step=3.safetensors"), 2e9, 2e9);
    const second = makeTrainer({ callbacks: keepAll(), maxEpochs: 2 });
    await second.fit(new BoringModel(), data(), { ckptPath: "last" });
    expect(second.ckptPath).toBe(join(folder, "epoch=0-step=3.safetensors"));
    expect(second.currentEpoch).toBe(2);
  });
});

describe("ckptPath of a file", () => {
  it("gives weights to every function, and needs no optimizer for those that do not train", async () => {
    const path = join(folder, "weights.safetensors");
    const trainer = makeTrainer();
    const model = new BoringModel();
    await trainer.fit(model, data());
    await trainer.saveCheckpoint(path, { weightsOnly: true });
    for (const fn of ["validate", "test", "predict"] as const) {
      const other = new BoringModel();
      await makeTrainer()[fn](other, allData(), { ckptPath: path });
      expect(weights(other)).toEqual(weights(model));
    }
    await expect(makeTrainer().fit(new BoringModel(), data(), { ckptPath: path })).rejects.toMatchObject({
      code: "ERR_CHECKPOINT_WEIGHTS_ONLY",
    });
  });

  it("that is missing is an error before anything runs", async () => {
    const calls: string[] = [];
    class Noting extends BoringModel {
      override setup(): void {
        calls.push("setup");
      }
    }
    const path = join(folder, "missing.safetensors");
    await expect(makeTrainer().test(new Noting(), allData(), { ckptPath: path })).rejects.toMatchObject({
      code: "ERR_CHECKPOINT_READ",
    });
    expect(calls).toEqual([]);
  });

  it("of a later epoch than the fit goes to is an error that says what to do", async () => {
    const keep = () => new ModelCheckpoint({ dirpath: folder });
    await makeTrainer({ callbacks: keep() }).fit(new BoringModel(), data());
    const trainer = makeTrainer({ callbacks: keep(), maxEpochs: 2 });
    await expect(trainer.fit(new BoringModel(), data(), { ckptPath: "last" })).rejects.toThrow(
      "The checkpoint was saved after 3 epochs, and this fit ends after 2. Give the Trainer maxEpochs of more than 3",
    );
  });
});

describe("saveCheckpoint({ weightsOnly: true })", () => {
  it("leaves out all but weights and hyperparameters while a fit runs", async () => {
    const path = join(folder, "weights.safetensors");
    class Saving extends BoringModel {
      override async onTrainEpochEnd(): Promise<void> {
        await this.trainer.saveCheckpoint(path, { weightsOnly: true });
      }
    }
    const model = new Saving();
    model.saveHyperparameters({ width: 3 });
    await makeTrainer({ maxEpochs: 1 }).fit(model, data());
    const saved = await readCheckpoint(path);
    expect(saved.hparams).toEqual({ width: 3 });
    expect(saved).not.toHaveProperty("optimizerStates");
    expect(saved).not.toHaveProperty("metrics");
    expect(saved.callbacks).toEqual({});
  });
});

describe("the Trainer's checkpointIO", () => {
  it("is what ModelCheckpoint saves, loads and removes through", async () => {
    const calls: string[] = [];
    class Noting extends SafetensorsCheckpointIO {
      override async saveCheckpoint(...args: Parameters<SafetensorsCheckpointIO["saveCheckpoint"]>) {
        calls.push(`save ${args[0].slice(folder.length + 1)}`);
        await super.saveCheckpoint(...args);
      }
      override async removeCheckpoint(path: string) {
        calls.push(`remove ${path.slice(folder.length + 1)}`);
        await super.removeCheckpoint(path);
      }
    }
    const trainer = makeTrainer({
      callbacks: new ModelCheckpoint({ dirpath: folder }),
      checkpointIO: new AsyncCheckpointIO(new Noting()),
    });
    await trainer.fit(new BoringModel(), data());
    expect(calls).toEqual([
      "save epoch=0-step=3.safetensors",
      "save epoch=1-step=6.safetensors",
      "remove epoch=0-step=3.safetensors",
      "save epoch=2-step=9.safetensors",
      "remove epoch=1-step=6.safetensors",
    ]);
    expect(readdirSync(folder)).toEqual(["epoch=2-step=9.safetensors"]);
    expect(existsSync(trainer.checkpointCallback!.bestModelPath!)).toBe(true);
  });
});
