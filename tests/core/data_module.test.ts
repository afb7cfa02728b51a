/** Data modules, several loaders, and what the Trainer gives back for them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, expectTypeOf, it } from "vitest";
import "../support/backend.js";
import {
  Callback,
  CombinedLoader,
  DataModule,
  Trainer,
  type BatchLoader,
  type MetricRecord,
  type TrainerOptions,
} from "../../src/core/index.js";
import { ArrayDataset, DataLoader } from "../../src/data/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const quiet = (options: TrainerOptions = {}): Trainer =>
  new Trainer({
    maxEpochs: 1,
    logger: false,
    enableProgressBar: false,
    enableModelSummary: false,
    ...options,
  });

const dataset = (size: number, value = 1) =>
  new ArrayDataset(
    Array.from({ length: size }, () => ({ input: new HostTensor(new Float32Array(32).fill(value), [32]) })),
  );
const loader = (size: number, value = 1) => new DataLoader(dataset(size, value), { batchSize: 2 });

async function batchesOf(combined: CombinedLoader): Promise<unknown[]> {
  const batches: unknown[] = [];
  for await (const batch of combined) batches.push(batch);
  return batches;
}

describe("CombinedLoader", () => {
  const [long, short] = [
    [1, 2, 3],
    [10, 20],
  ];

  it.each([
    [
      "min_size",
      2,
      [
        [1, 10],
        [2, 20],
      ],
    ],
    [
      "max_size",
      3,
      [
        [1, 10],
        [2, 20],
        [3, undefined],
      ],
    ],
    [
      "max_size_cycle",
      3,
      [
        [1, 10],
        [2, 20],
        [3, 10],
      ],
    ],
    ["sequential", 5, [1, 2, 3, 10, 20]],
  ] as const)("goes through loaders as %s", async (mode, length, expected) => {
    const combined = new CombinedLoader([long, short], mode);
    expect(combined.length).toBe(length);
    expect(await batchesOf(combined)).toEqual(expected);
  });

  it("gives batches the loaders' names, tells all the epoch, and closes what it leaves", async () => {
    const events: string[] = [];
    const loader = (name: string): BatchLoader => ({
      setEpoch: (epoch) => void events.push(`${name} ${epoch}`),
      *[Symbol.iterator]() {
        try {
          yield* [1, 2];
        } finally {
          events.push(`${name} closed`);
        }
      },
    });
    const combined = new CombinedLoader({ a: loader("a"), b: loader("b") });
    combined.setEpoch(3);
    expect(combined.length).toBeUndefined();
    for await (const batch of combined) {
      expect(batch).toEqual({ a: 1, b: 1 });
      break;
    }
    expect(events).toEqual(["a 3", "b 3", "a closed", "b closed"]);
  });

  it("refuses other modes, no loaders, and nothing to begin again with", async () => {
    expect(() => new CombinedLoader([long], "min" as never)).toThrow(
      'CombinedLoader was given the mode "min". Choose one of "min_size", "max_size_cycle", "max_size", "sequential".',
    );
    expect(() => new CombinedLoader([])).toThrow("CombinedLoader was given no loaders to combine.");
    await expect(batchesOf(new CombinedLoader([long, []]))).rejects.toThrow(
      "Loader 1 of a CombinedLoader has no batches to begin again with.",
    );
  });

  it("trains on both, each loader processed by the module, to the longest one's end", async () => {
    const seen: number[][] = [];
    const parts: string[] = [];
    class Both extends BoringModel {
      override processDataloader(loader: BatchLoader, part: string): BatchLoader {
        parts.push(part);
        return loader;
      }
      override trainingStep(batch: unknown) {
        const { a, b } = batch as Record<"a" | "b", { input: tf.Tensor }>;
        seen.push([a.input, b.input].map((input) => input.dataSync()[0]!));
        return this.loss(a);
      }
    }
    const trainer = quiet();
    await trainer.fit(new Both(), { train: new CombinedLoader({ a: loader(6, 1), b: loader(2, 2) }) });
    expect(seen).toEqual([1, 2, 3].map(() => [1, 2]));
    expect(parts).toEqual(["train", "train"]);
    expect([trainer.numTrainingBatches, trainer.globalStep]).toEqual([3, 3]);
  });
});

describe("several loaders", () => {
  class Values extends BoringModel {
    readonly seen: [number, number][] = [];

    override validationStep({ input }: { input: tf.Tensor }, _batchIdx?: number, dataloaderIdx = -1): void {
      this.seen.push([dataloaderIdx, input.dataSync()[0]!]);
      this.log("value", tf.mean(input));
    }

    override testStep(batch: { input: tf.Tensor }, batchIdx?: number, dataloaderIdx?: number): void {
      this.validationStep(batch, batchIdx, dataloaderIdx);
    }

    override onTestEpochEnd(): void {
      this.log("together", 5);
    }
  }

  it("give a record each, with their numbers in the names", async () => {
    const model = new Values();
    const records = await quiet().validate(model, { val: [loader(2, 1), loader(4, 2)] });
    expectTypeOf(records).toEqualTypeOf<MetricRecord[]>();
    expect(records).toEqual([{ "value/dataloader_idx_0": 1 }, { "value/dataloader_idx_1": 2 }]);
    expect(model.seen).toEqual([
      [0, 1],
      [1, 2],
      [1, 2],
    ]);
    const tested = await quiet().test(model, {
      test: new CombinedLoader([loader(2, 3), loader(2, 4)], "sequential"),
    });
    expectTypeOf(tested).toEqualTypeOf<MetricRecord[]>();
    expect(tested).toEqual([
      { "value/dataloader_idx_0": 3, together: 5 },
      { "value/dataloader_idx_1": 4, together: 5 },
    ]);
  });

  it("are not what a single one is, nor a list of batches", async () => {
    const record = await quiet().validate(new Values(), { val: loader(2, 1) });
    expectTypeOf(record).toEqualTypeOf<MetricRecord>();
    expect(record).toEqual({ value: 1 });
    expect(await quiet().validate(new Values(), { val: [loader(2, 1)] })).toEqual([{ value: 1 }]);
    class Data extends DataModule {
      override valDataloader() {
        return [loader(2, 1), loader(2, 2)];
      }
    }
    const ofModule = await quiet().validate(new Values(), new Data());
    expectTypeOf(ofModule).toEqualTypeOf<MetricRecord[]>();
    expect(ofModule).toHaveLength(2);
    const batches = await quiet().validate(new BoringModel(), { val: boringBatches(2) });
    expectTypeOf(batches).toEqualTypeOf<MetricRecord>();
    expect(Object.keys(batches)).toEqual(["val_loss"]);
  });

  it("are limited one by one, counted together, and validated in a fit", async () => {
    const model = new Values();
    const trainer = quiet({ limitValBatches: 1, numSanityValSteps: 1 });
    const data = { train: boringBatches(1), val: [loader(6, 1), loader(4, 2)] };
    await trainer.fit(model, data);
    expect([trainer.numValBatches, trainer.numSanityValBatches]).toEqual([2, 2]);
    expect(model.seen).toHaveLength(4);
    expect(trainer.callbackMetrics).toMatchObject({
      "value/dataloader_idx_0": 1,
      "value/dataloader_idx_1": 2,
    });
  });

  it("give a list of predictions each, or none where nobody asks for them", async () => {
    const model = new BoringModel();
    model.predictStep = ({ input }) => tf.sum(input, 1);
    const predict = [loader(2, 1), loader(3, 2)];
    const sum = (value: number) => new HostTensor(Float32Array.of(32 * value), []);
    expect(await quiet().predict(model, { predict })).toEqual([
      [sum(1), sum(1)],
      [sum(2), sum(2), sum(2)],
    ]);
    expect(await quiet().predict(model, { predict: loader(1, 1) })).toEqual([sum(1)]);
    const seen: unknown[] = [];
    class Watching extends Callback {
      override onPredictBatchEnd(_trainer: Trainer, _module: unknown, outputs: unknown): void {
        seen.push(outputs);
      }
    }
    const trainer = quiet({ callbacks: new Watching() });
    expect(await trainer.predict(model, { predict: loader(1, 1) }, { returnPredictions: false })).toEqual([]);
    expect(seen).toHaveLength(1);
  });
});

describe("a data module", () => {
  it("has transfer hooks of its own, which stand for the module's", async () => {
    const calls: string[] = [];
    class Data extends DataModule {
      override trainDataloader() {
        return boringBatches(1);
      }
      override async onBeforeBatchTransfer(batch: unknown, dataloaderIdx: number): Promise<unknown> {
        calls.push(`before ${dataloaderIdx}`);
        return batch;
      }
      override onAfterBatchTransfer(batch: unknown, dataloaderIdx: number): unknown {
        calls.push(`after ${dataloaderIdx}`);
        return { input: tf.zerosLike((batch as { input: tf.Tensor }).input) };
      }
    }
    const model = new BoringModel();
    model.trainingStep = (batch) => {
      calls.push(String(tf.sum(batch.input).dataSync()[0]));
      return model.loss(batch);
    };
    await quiet().fit(model, new Data());
    expect(calls).toEqual(["before 0", "after 0", "0"]);
    model.onAfterBatchTransfer = (batch) => batch;
    await expect(quiet().fit(model, new Data())).rejects.toThrow(
      "BoringModel and Data both have onAfterBatchTransfer, and only one can be called. Remove one of them.",
    );
  });

  it("is made of datasets: training data are shuffled, the others are not", async () => {
    const numbers = new ArrayDataset(Array.from({ length: 10 }, (_, i) => i));
    const data = DataModule.fromDatasets(
      { train: numbers, val: [numbers, dataset(5)], predict: numbers },
      { batchSize: 4, dropLast: true, seed: 1 },
    );
    const first = async (loader: unknown) => {
      for await (const batch of loader as AsyncIterable<unknown>) return batch;
    };
    const values = (batch: unknown) => Array.from((batch as HostTensor).data);
    expect(values(await first(data.predictDataloader()))).toEqual([0, 1, 2, 3]);
    expect(values(await first(data.trainDataloader()))).not.toEqual([0, 1, 2, 3]);
    expect(String(data)).toBe(
      "DataModule(train: 10 samples in 2 batches, val: 10 samples in 2 batches + 5 samples in 1 batch, " +
        "predict: 10 samples in 2 batches)",
    );
    const ordered = DataModule.fromDatasets({ train: numbers }, { batchSize: 4, shuffle: false });
    expect(values(await first(ordered.trainDataloader()))).toEqual([0, 1, 2, 3]);
  });

  it("says what it has", () => {
    class Pictures extends DataModule {
      override trainDataloader() {
        return boringBatches(1);
      }
      override testDataloader() {
        return boringBatches(1);
      }
    }
    expect(String(new Pictures())).toBe("Pictures(train, test)");
    expect(String(DataModule.fromLoaders({ train: boringBatches(3) }))).toBe("DataModule(train: 3 batches)");
  });

  it("keeps its state in checkpoints", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kindling-data-"));
    const path = join(folder, "state.safetensors");
    class Counting extends DataModule {
      asked = 0;
      override trainDataloader() {
        this.asked++;
        return boringBatches(2);
      }
      override stateDict() {
        return { asked: this.asked };
      }
      override loadStateDict({ asked }: Record<string, number>): void {
        this.asked = asked! * 10;
      }
    }
    const model = new BoringModel();
    model.onTrainBatchEnd = async () => {
      await model.trainer.saveCheckpoint(path);
      throw new Error("dies");
    };
    await expect(quiet().fit(model, new Counting())).rejects.toThrow("dies");
    const resumed = new Counting();
    await quiet().fit(new BoringModel(), resumed, { ckptPath: path });
    expect(resumed.asked).toBe(11);
    rmSync(folder, { recursive: true });
  });

  it("has its loaders told the epoch before every pass, validation's too", async () => {
    const epochs: string[] = [];
    const told = (name: string): BatchLoader => ({
      length: 1,
      setEpoch: (epoch) => void epochs.push(`${name} ${epoch}`),
      [Symbol.iterator]: () => boringBatches(1).values(),
    });
    await quiet({ maxEpochs: 2, numSanityValSteps: 0 }).fit(new BoringModel(), {
      train: told("train"),
      val: told("val"),
    });
    expect(epochs).toEqual(["train 0", "val 0", "train 1", "val 1"]);
  });
});
