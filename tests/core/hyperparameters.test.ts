/** Hyperparameters: kept in checkpoints, and given back to the constructor. */
import * as tf from "@tensorflow/tfjs-core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import "../support/backend.js";
import {
  DataModule,
  LightningModule,
  Trainer,
  type OptimizerConfiguration,
  type TrainingStepOutput,
} from "../../src/core/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { Linear, mseLoss, SGD } from "../../src/nn/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

interface WideOptions {
  width?: number;
  lr?: number;
  limits?: { low: number; high: number };
  note?: string;
}

class Wide extends LightningModule {
  readonly layer: Linear;

  constructor(options: WideOptions = {}) {
    super();
    this.saveHyperparameters({ width: 2, ...options });
    this.layer = new Linear(32, options.width ?? 2);
  }

  forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(input);
  }

  override trainingStep({ input }: { input: tf.Tensor }): TrainingStepOutput {
    const output = this.forward(input);
    return mseLoss(output, tf.zerosLike(output));
  }

  override configureOptimizers(): OptimizerConfiguration {
    return new SGD(this.parameters(), { lr: 0.1 });
  }
}

class Rows extends DataModule {
  cursor = 0;

  constructor({ batchSize }: { batchSize: number; secret?: () => void }) {
    super();
    this.saveHyperparameters({ batchSize });
  }

  override trainDataloader() {
    return boringBatches(2, this.hparams.batchSize as number);
  }

  override stateDict() {
    return { cursor: 7 };
  }

  override loadStateDict(state: unknown): void {
    this.cursor = (state as { cursor: number }).cursor;
  }
}

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-hparams-"));
  path = join(folder, "a.safetensors");
});

afterEach(() => rmSync(folder, { recursive: true }));

const options = { maxEpochs: 1, logger: false, enableProgressBar: false } as const;

/** Trains, and saves while the fit runs. */
async function trainAndSave(module: Wide, data: DataModule | { train: object[] }): Promise<void> {
  const trainer = new Trainer(options);
  module.onTrainEpochEnd = () => trainer.saveCheckpoint(path);
  await trainer.fit(module, data);
}

describe("loadFromCheckpoint", () => {
  it("makes a module of the class with the saved options and weights", async () => {
    const wide = new Wide({ width: 5, limits: { low: -Infinity, high: 3 } });
    await trainAndSave(wide, { train: boringBatches(2) });
    const loaded = await Wide.loadFromCheckpoint(path);
    expectTypeOf(loaded).toEqualTypeOf<Wide>();
    expect(loaded).toBeInstanceOf(Wide);
    expect(loaded.hparams).toEqual({ width: 5, limits: { low: -Infinity, high: 3 } });
    expect([...loaded.layer.weight.dataSync()]).toEqual([...wide.layer.weight.dataSync()]);
  });

  it("lets options be changed and added, and refuses others at compile time", async () => {
    await trainAndSave(new Wide({ width: 3 }), { train: boringBatches(2) });
    const loaded = await Wide.loadFromCheckpoint(path, { lr: 0.5, note: "second run" });
    expect(loaded.hparams).toEqual({ width: 3, lr: 0.5, note: "second run" });
    // @ts-expect-error the constructor has no such option
    await Wide.loadFromCheckpoint(path, { depth: 3 });
    await expect(Wide.loadFromCheckpoint(path, { width: 4 })).rejects.toMatchObject({
      code: "ERR_STATE_DICT_MISMATCH",
    });
  });

  it("is as strict as it is told, or else as the module says", async () => {
    class Wider extends Wide {
      readonly extra = new Linear(2, 2);
    }
    class Lenient extends Wider {
      override strictLoading = false;
    }
    const wide = new Wide();
    await trainAndSave(wide, { train: boringBatches(2) });
    await expect(Wider.loadFromCheckpoint(path)).rejects.toThrow("It lacks extra.weight, extra.bias");
    await Wider.loadFromCheckpoint(path, {}, { strict: false });
    const lenient = await Lenient.loadFromCheckpoint(path);
    expect([...lenient.layer.weight.dataSync()]).toEqual([...wide.layer.weight.dataSync()]);
    await expect(Lenient.loadFromCheckpoint(path, {}, { strict: true })).rejects.toThrow("It lacks");
    await new Trainer(options).fit(new Lenient(), { train: boringBatches(1) });
    const trainer = new Trainer(options);
    const data = { predict: boringBatches(1).map(({ input }) => input) };
    await expect(trainer.predict(new Wider(), data, { ckptPath: path })).rejects.toThrow(
      "It lacks extra.weight",
    );
  });

  it("works for classes without options", async () => {
    const model = new BoringModel();
    const trainer = new Trainer(options);
    await trainer.fit(model, { train: boringBatches(1) });
    await trainer.saveCheckpoint(path);
    const loaded = await BoringModel.loadFromCheckpoint(path);
    expect([...loaded.layer.weight.dataSync()]).toEqual([...model.layer.weight.dataSync()]);
  });

  it("gives a module what it added to the checkpoint", async () => {
    class Tagged extends BoringModel {
      classes: readonly number[] = [3, 4];
      override onSaveCheckpoint({ extra }: { extra: Record<string, unknown> }): void {
        extra.classes = new HostTensor(Int32Array.from(this.classes), [this.classes.length]);
      }
      override onLoadCheckpoint({ extra }: { extra: Record<string, unknown> }): void {
        this.classes = [...(extra.classes as HostTensor).data];
      }
    }
    const model = new Tagged();
    model.classes = [9, 8, 7];
    const trainer = new Trainer(options);
    await trainer.fit(model, { train: boringBatches(1) });
    await trainer.saveCheckpoint(path);
    expect((await Tagged.loadFromCheckpoint(path)).classes).toEqual([9, 8, 7]);
  });

  it("makes a data module with its options and state, too", async () => {
    await trainAndSave(new Wide(), new Rows({ batchSize: 3 }));
    const data = await Rows.loadFromCheckpoint(path);
    expect(data.hparams).toEqual({ batchSize: 3 });
    expect(data.cursor).toBe(7);
    expect((await Rows.loadFromCheckpoint(path, { batchSize: 8 })).hparams).toEqual({ batchSize: 8 });
  });

  it("and a resumed fit give a data module its state back", async () => {
    await trainAndSave(new Wide(), new Rows({ batchSize: 3 }));
    const data = new Rows({ batchSize: 3 });
    await new Trainer({ ...options, maxEpochs: 2 }).fit(new Wide(), data, { ckptPath: path });
    expect(data.cursor).toBe(7);
  });
});

describe("saveHyperparameters", () => {
  it("refuses what a checkpoint cannot hold, and leaves out what it is told to", () => {
    const module = new BoringModel();
    const data = new Rows({ batchSize: 1 });
    expect(() => module.saveHyperparameters({ lr: 0.1, inner: { data } })).toThrow(
      "BoringModel.saveHyperparameters: hparams.inner.data is an object of class Rows, which a checkpoint cannot hold",
    );
    expect(() => data.saveHyperparameters({ f: () => 1 })).toThrow(
      'To leave it out: saveHyperparameters(options, { ignore: ["f"] })',
    );
    module.saveHyperparameters({ lr: 0.1, data, note: undefined }, { ignore: ["data"] });
    expect(module.hparams).toEqual({ lr: 0.1 });
    expect(Object.keys(module.hparams)).toEqual(["lr"]);
  });

  it("keeps the first values beside those that change, and adds up over calls", () => {
    const module = new BoringModel();
    const given = { lr: 0.1, layers: [1, 2] };
    module.saveHyperparameters(given);
    module.saveHyperparameters({ name: "second" });
    given.layers.push(3);
    module.hparams.lr = 0.5;
    expect(module.hparams).toEqual({ lr: 0.5, layers: [1, 2], name: "second" });
    expect(module.hparamsInitial).toEqual({ lr: 0.1, layers: [1, 2], name: "second" });
    expect(Object.isFrozen(module.hparamsInitial.layers)).toBe(true);
  });

  it("of module and data that contradict each other is an error when the fit starts", async () => {
    const trainer = new Trainer(options);
    const module = new Wide();
    module.saveHyperparameters({ batchSize: 4, shared: [1] });
    const data = new Rows({ batchSize: 3 });
    data.saveHyperparameters({ shared: [1] });
    await expect(trainer.fit(module, data)).rejects.toMatchObject({
      code: "ERR_HYPERPARAMETERS_CONFLICT",
      message: expect.stringContaining(
        "Wide and Rows have different values of the hyperparameters batchSize.",
      ) as string,
    });
  });
});
