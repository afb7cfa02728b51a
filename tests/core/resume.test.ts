/** A run that breaks off and goes on from a checkpoint against one without a break: the same to the last bit. */
import type * as tf from "@tensorflow/tfjs-core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  Callback,
  InterruptedError,
  readCheckpoint,
  Trainer,
  type BatchLoader,
  type Checkpoint,
  type LightningModule,
  type OptimizerConfiguration,
  type TrainerOptions,
} from "../../src/core/index.js";
import { DataLoader, MapDataset, type Dataset } from "../../src/data/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { AdamW, Dropout, WarmupCosine } from "../../src/nn/index.js";
import { Generator, getGlobalGenerator, seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const EPOCHS = 2;
const SAMPLES = 26;
/** Batches of 4: six full ones and one of two samples. */
const BATCHES = 7;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-resume-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Rows of random numbers, noise added anew in each epoch; counts what is loaded. */
class NoisyRows {
  loaded = 0;

  get dataset(): Dataset<{ input: HostTensor; id: number }> {
    const rows = boringBatches(SAMPLES, 1).map(({ input }) => input.data as Float32Array);
    const ids = { length: SAMPLES, get: (index: number) => index };
    return new MapDataset(ids, (id: number, random: Generator) => {
      this.loaded++;
      const data = rows[id]!.map((value) => value + random.normal() / 10);
      return { input: new HostTensor(data, [32]), id };
    });
  }

  get loader(): DataLoader<{ input: HostTensor; id: number }> {
    return new DataLoader(this.dataset, { batchSize: 4, shuffle: true });
  }
}

class DropoutModel extends BoringModel {
  readonly dropout = new Dropout(0.3);

  override forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(this.dropout.forward(input));
  }

  override trainingStep(batch: { input: tf.Tensor }) {
    const loss = this.loss(batch);
    this.log("train_loss", loss, { onEpoch: true });
    return loss;
  }

  override validationStep(batch: { input: tf.Tensor }): void {
    getGlobalGenerator().uniform();
    super.validationStep(batch);
  }

  override configureOptimizers(): OptimizerConfiguration {
    const optimizer = new AdamW(this.parameters(), { lr: 0.03 });
    const totalSteps = this.trainer.estimatedSteppingBatches;
    return {
      optimizer,
      lrScheduler: { scheduler: new WarmupCosine(optimizer, { totalSteps }), interval: "step" },
    };
  }
}

/** Notes the samples of every batch that was trained on, and each epoch's mean loss. */
class Diary extends Callback {
  readonly batches: string[] = [];
  readonly losses: number[] = [];

  override onTrainBatchEnd(trainer: Trainer, _m: unknown, _o: unknown, batch: unknown): void {
    this.batches.push(`${trainer.currentEpoch}: ${[...(batch as { id: HostTensor }).id.data].join(" ")}`);
  }

  override onTrainEpochEnd(trainer: Trainer): void {
    this.losses.push(trainer.callbackMetrics.train_loss_epoch!);
  }
}

class SaveAtEnd extends Callback {
  readonly path: string;

  constructor(path: string) {
    super();
    this.path = path;
  }

  override async onTrainEnd(trainer: Trainer): Promise<void> {
    await trainer.saveCheckpoint(this.path);
  }
}

/** Throws in one hook, the n-th time that it is called, and saves a checkpoint when told that the run has failed. */
class Break extends Callback {
  readonly #path: string;

  constructor(path: string) {
    super();
    this.#path = path;
  }

  static in(module: LightningModule, hook: string, call: number): void {
    const original = (module as unknown as Record<string, unknown>)[hook] as (...args: unknown[]) => unknown;
    let calls = 0;
    Object.assign(module, {
      [hook](...args: unknown[]) {
        if (calls++ === call) {
          // Whatever is done again must draw the same numbers again.
          if (!isDoneOnce.includes(hook)) getGlobalGenerator().uniform();
          throw new Error("the process dies");
        }
        return original?.apply(module, args);
      },
    });
  }

  override async onException(trainer: Trainer): Promise<void> {
    await trainer.saveCheckpoint(this.#path);
  }
}

/** Hooks behind which a resumed run goes on. */
const isDoneOnce = ["onTrainBatchEnd", "onValidationEnd"];

interface Outcome {
  end: Checkpoint;
  diary: Diary;
}

async function wholeRun(options: TrainerOptions): Promise<Outcome> {
  seedEverything(9);
  const diary = new Diary();
  const save = new SaveAtEnd(join(folder, "whole.safetensors"));
  const trainer = new Trainer({ ...options, callbacks: [diary, save] });
  await trainer.fit(new DropoutModel(), { train: new NoisyRows().loader, val: boringBatches(2, 4, 11) });
  return { end: await readCheckpoint(save.path), diary };
}

/** Breaks off, then goes on with another seed, other weights and a new loader. */
async function brokenRun(
  options: TrainerOptions,
  hook: string,
  call: number,
  loader: (rows: NoisyRows) => BatchLoader = (rows) => rows.loader,
): Promise<Outcome & { loaded: number }> {
  seedEverything(9);
  const [path, endPath] = [join(folder, "broken.safetensors"), join(folder, "end.safetensors")];
  const module = new DropoutModel();
  Break.in(module, hook, call);
  const before = new Diary();
  const broken = new Trainer({ ...options, callbacks: [before, new Break(path)] });
  const val = boringBatches(2, 4, 11);
  const data = { train: loader(new NoisyRows()), val };
  await expect(broken.fit(module, data)).rejects.toThrow("the process dies");

  seedEverything(1234);
  const rows = new NoisyRows();
  const diary = new Diary();
  const resumed = new Trainer({ ...options, callbacks: [diary, new SaveAtEnd(endPath)] });
  await resumed.fit(new DropoutModel(), { train: loader(rows), val }, { ckptPath: path });
  const repeated = new Set(diary.batches);
  diary.batches.unshift(...before.batches.filter((batch) => !repeated.has(batch)));
  return { end: await readCheckpoint(endPath), diary, loaded: rows.loaded };
}

/** All but what was logged. */
function stateOf({ metrics: _, ...state }: Checkpoint): Omit<Checkpoint, "metrics"> {
  return state;
}

const quiet: TrainerOptions = { maxEpochs: EPOCHS, logger: false, enableProgressBar: false };

describe.each([
  ["every batch stepping", { ...quiet }],
  ["windows of three batches, the last one short", { ...quiet, accumulateGradBatches: 3 }],
])("a resumed run, %s, has the bits of one without a break", (_, options) => {
  it("when it breaks off in any training step", async () => {
    const whole = await wholeRun(options);
    for (let batch = 0; batch < EPOCHS * BATCHES; batch++) {
      const resumed = await brokenRun(options, "trainingStep", batch);
      expect(stateOf(resumed.end), `batch ${batch}`).toEqual(stateOf(whole.end));
      expect(resumed.diary.batches).toEqual(whole.diary.batches);
    }
  });

  it.each([
    ["onTrainBatchEnd", 0],
    ["onTrainBatchEnd", 4],
    ["onTrainBatchEnd", 13],
    ["onTrainBatchStart", 9],
    ["onBeforeBackward", 8],
    ["onBeforeOptimizerStep", 1],
    ["onTrainEpochStart", 1],
    ["onTrainEpochEnd", 1],
    ["onValidationStart", 2],
    ["validationStep", 5],
    ["onValidationBatchEnd", 5],
    ["onValidationEnd", 2],
    ["onTrainEnd", 0],
  ])("when it breaks off in %s, call %i", async (hook, call) => {
    const whole = await wholeRun(options);
    const resumed = await brokenRun(options, hook, call);
    expect(stateOf(resumed.end)).toEqual(stateOf(whole.end));
    expect(resumed.diary.batches).toEqual(whole.diary.batches);
    const { losses } = whole.diary;
    const epochs = resumed.diary.losses.length;
    if (hook !== "onBeforeOptimizerStep" && hook !== "onBeforeBackward") {
      expect(resumed.diary.losses).toEqual(losses.slice(losses.length - epochs));
    }
  });
});

describe("a run that SIGTERM ends", () => {
  it.each([1, 4, 6, 7, 12])("goes on to the bit, asked to end in batch %i", async (batch) => {
    const options: TrainerOptions = { ...quiet, accumulateGradBatches: 2, defaultRootDir: folder };
    const whole = await wholeRun(options);
    seedEverything(9);
    let batches = 0;
    class Terminated extends DropoutModel {
      override onTrainBatchStart(): void {
        if (batches++ === batch) process.emit("SIGTERM", "SIGTERM");
      }
    }
    const val = boringBatches(2, 4, 11);
    const run = new Trainer(options).fit(new Terminated(), { train: new NoisyRows().loader, val });
    const error: unknown = await run.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InterruptedError);
    const { exitCode, checkpointPath } = error as InterruptedError;
    expect(exitCode).toBe(143);
    seedEverything(1234);
    const save = new SaveAtEnd(join(folder, "end.safetensors"));
    const resumed = new Trainer({ ...options, callbacks: [new Diary(), save] });
    const data = { train: new NoisyRows().loader, val };
    await resumed.fit(new DropoutModel(), data, { ckptPath: checkpointPath! });
    expect(stateOf(await readCheckpoint(save.path))).toEqual(stateOf(whole.end));
  });
});

describe("a resumed run", () => {
  it("does not load the batches that it skips, where the loader can begin anywhere", async () => {
    const { loaded } = await brokenRun(quiet, "onTrainBatchEnd", 5);
    // Epoch 0 goes on with its last batch, of two samples.
    expect(loaded).toBe(2 + SAMPLES);
  });

  it("reads past the batches before, where the loader cannot", async () => {
    const plain = (rows: NoisyRows): BatchLoader => {
      const loader = rows.loader;
      return {
        length: loader.length,
        batchSize: loader.batchSize,
        setEpoch: (epoch) => loader.setEpoch(epoch),
        [Symbol.asyncIterator]: () => loader[Symbol.asyncIterator](),
      };
    };
    const whole = await wholeRun(quiet);
    const { loaded, end } = await brokenRun(quiet, "onTrainBatchEnd", 5, plain);
    expect(loaded).toBe(2 * SAMPLES);
    expect(stateOf(end)).toEqual(stateOf(whole.end));
  });

  it("begins an epoch that was complete when it was saved", async () => {
    const whole = await wholeRun(quiet);
    expect(whole.end.progress).toEqual({
      epoch: EPOCHS,
      batchInEpoch: 0,
      batchesSinceValidation: 0,
      globalStep: EPOCHS * BATCHES,
      phase: "batches",
    });
    expect(whole.end.metrics!.openEpoch).toEqual({});
  });
});
