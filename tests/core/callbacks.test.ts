/** EarlyStopping, ModelCheckpoint and the progress display. */
import type * as tf from "@tensorflow/tfjs-core";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import "../support/backend.js";
import {
  EarlyStopping,
  ModelCheckpoint,
  ProgressBar,
  readCheckpoint,
  Trainer,
  type ModelCheckpointOptions,
  type TrainerOptions,
} from "../../src/core/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-callbacks-"));
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** A model whose validation score in each epoch is given. */
class Scored extends BoringModel {
  readonly #scores: readonly number[];

  constructor(scores: readonly number[]) {
    super();
    this.#scores = scores;
  }

  override validationStep(): void {
    this.log("score", this.#scores[this.currentEpoch]!, { progBar: true });
  }
}

const weights = (model: BoringModel) => Array.from(model.layer.weight.dataSync());
const data = () => ({ train: boringBatches(2), val: boringBatches(1) });
const quiet = (options: TrainerOptions): Trainer =>
  new Trainer({ logger: false, enableProgressBar: false, defaultRootDir: folder, ...options });

describe("EarlyStopping", () => {
  async function stoppedAfter(
    scores: readonly number[],
    options: object,
    trainerOptions: TrainerOptions = {},
  ) {
    const callback = new EarlyStopping({ monitor: "score", ...options });
    const trainer = quiet({ maxEpochs: scores.length, callbacks: callback, ...trainerOptions });
    await trainer.fit(new Scored(scores), data());
    return { epochs: trainer.currentEpoch, callback };
  }

  it("stops after `patience` checks without improvement", async () => {
    const { epochs, callback } = await stoppedAfter([5, 4, 4, 4.5, 3, 3], { patience: 2 });
    expect(epochs).toBe(4);
    expect(callback.stoppedEpoch).toBe(3);
    expect(callback.bestScore).toBe(4);
    expect(callback.stoppingReason).toBe("patienceExhausted");
    expect(callback.stoppingReasonMessage).toBe("score did not improve in 2 checks; its best was 4");
  });

  it("counts improvements by mode and minDelta", async () => {
    expect((await stoppedAfter([1, 2, 3, 4], { mode: "max", patience: 1 })).epochs).toBe(4);
    expect((await stoppedAfter([1, 2, 3, 4], { mode: "min", patience: 1 })).epochs).toBe(2);
    expect(
      (await stoppedAfter([1, 1.5, 2, 2.5, 3], { mode: "max", patience: 3, minDelta: 1.2 })).epochs,
    ).toBe(5);
    expect(
      (await stoppedAfter([1, 1.5, 2, 2.1, 3], { mode: "max", patience: 3, minDelta: 1.2 })).epochs,
    ).toBe(4);
  });

  it("stops at once where the metric is not finite, unless told otherwise", async () => {
    const { epochs, callback } = await stoppedAfter([1, NaN, 0.5], {});
    expect(epochs).toBe(2);
    expect(callback.stoppingReason).toBe("nonFiniteMetric");
    expect(callback.stoppingReasonMessage).toBe("score is NaN");
    expect((await stoppedAfter([1, Infinity, 0.5], { checkFinite: false })).epochs).toBe(3);
  });

  it("counts validated epochs only", async () => {
    const { epochs } = await stoppedAfter([9, 1, 9, 1, 9, 1, 9], { patience: 2 }, { checkValEveryNEpoch: 2 });
    expect(epochs).toBe(6);
  });

  it("says which metrics there are where its own is missing", async () => {
    const trainer = quiet({ maxEpochs: 1, callbacks: new EarlyStopping({ monitor: "skore" }) });
    await expect(trainer.fit(new Scored([1]), data())).rejects.toThrow(
      'EarlyStopping monitors "skore", which was not logged. Choose one of "train_loss", "score". Did you mean "score"?',
    );
    expect(() => new EarlyStopping({ monitor: "a", mode: "mox" as never })).toThrow('Did you mean "max"?');
  });
});

describe("ModelCheckpoint", () => {
  async function run(scores: readonly number[], options: ModelCheckpointOptions = {}) {
    const callback = new ModelCheckpoint({ monitor: "score", dirpath: folder, ...options });
    const model = new Scored(scores);
    const byEpoch: number[][] = [];
    model.onTrainEpochEnd = () => void byEpoch.push(weights(model));
    await quiet({ maxEpochs: scores.length, callbacks: callback }).fit(model, data());
    return { callback, model, byEpoch, files: readdirSync(folder).sort() };
  }

  it("keeps the best, and gives the module its weights when fit ends", async () => {
    const { callback, model, byEpoch, files } = await run([3, 1, 2]);
    expect(files).toEqual(["epoch=1-step=4.safetensors"]);
    expect(callback.bestModelPath).toBe(join(folder, "epoch=1-step=4.safetensors"));
    expect(callback.bestModelScore).toBe(1);
    expect(weights(model)).toEqual(byEpoch[1]);
    expect(weights(model)).not.toEqual(byEpoch[2]);
    const saved = await readCheckpoint(callback.bestModelPath!);
    expect(Array.from(saved.stateDict["layer.weight"]!.data)).toEqual(byEpoch[1]);
    expect(saved.callbacks[callback.stateKey]).toEqual({
      saved: [{ path: callback.bestModelPath, score: 1 }],
    });
  });

  it("leaves the last weights with restoreBest: false, and without a monitor keeps the last", async () => {
    const kept = await run([3, 1, 2], { restoreBest: false });
    expect(weights(kept.model)).toEqual(kept.byEpoch[2]);
    const last = await run([3, 1, 2], { monitor: undefined, filename: "last-{epoch}" });
    expect(last.files).toEqual(["epoch=1-step=4.safetensors", "last-epoch=2.safetensors"]);
    expect(weights(last.model)).toEqual(last.byEpoch[2]);
  });

  it("keeps the best k by mode, NaN last, names from a template", async () => {
    const { files } = await run([0.25, NaN, 0.5, 0.125], {
      mode: "max",
      saveTopK: 2,
      filename: "{epoch}-{score:.2f}",
    });
    expect(files).toEqual(["epoch=0-score=0.25.safetensors", "epoch=2-score=0.50.safetensors"]);
  });

  it("never overwrites or deletes files of another run", async () => {
    const taken = join(folder, "epoch=0-step=2.safetensors");
    writeFileSync(taken, "another run's");
    const { files } = await run([1, 2]);
    expect(files).toEqual(["epoch=0-step=2-v1.safetensors", "epoch=0-step=2.safetensors"]);
  });

  it("is there by default for a module with a monitor and validation data", async () => {
    class Monitored extends Scored {
      override monitor = { metric: "score", mode: "max" } as const;
    }
    const trainer = quiet({ maxEpochs: 3 });
    const model = new Monitored([1, 3, 2]);
    await trainer.fit(model, data());
    expect(trainer.checkpointCallback?.bestModelPath).toBe(
      join(folder, "checkpoints", "epoch=1-step=4.safetensors"),
    );
    await quiet({ maxEpochs: 1 }).fit(new Monitored([1]), { train: boringBatches(1) });
    await quiet({ maxEpochs: 1, enableCheckpointing: false }).fit(new Monitored([1]), data());
    expect(readdirSync(join(folder, "checkpoints"))).toHaveLength(1);
  });

  it("refuses options that contradict each other", () => {
    expect(() => new ModelCheckpoint({ saveTopK: 2 })).toThrow("with a monitor any count, not 2");
    const both = quiet({ enableCheckpointing: false, callbacks: new ModelCheckpoint() });
    return expect(both.fit(new BoringModel(), data())).rejects.toThrow(
      "The Trainer was given a ModelCheckpoint and enableCheckpointing: false. Leave one of them out.",
    );
  });
});

const countTimers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

describe("the progress display", () => {
  /** Every batch takes this many milliseconds. */
  async function show(
    msPerBatch: number,
    isTTY: boolean,
    act: (trainer: Trainer) => Promise<unknown>,
  ): Promise<string> {
    let text = "";
    const stream = Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          text += chunk.toString();
          done();
        },
      }),
      { isTTY, columns: 200 },
    );
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const trainer = new Trainer({
      maxEpochs: 2,
      logger: false,
      enableModelSummary: false,
      callbacks: new ProgressBar({ stream }),
      defaultRootDir: folder,
    });
    class Timed extends Scored {
      override trainingStep(batch: { input: tf.Tensor }) {
        now += msPerBatch;
        this.log("train_loss", 0.123456, { progBar: true });
        return this.loss(batch);
      }
    }
    model = new Timed([0.5, 1e-7]);
    await act(trainer);
    return text;
  }
  let model: BoringModel;

  it("is one line for each epoch where there is no terminal", async () => {
    const text = await show(250, false, (trainer) =>
      trainer.fit(model, { train: boringBatches(8), val: boringBatches(1) }),
    );
    expect(text).toBe(
      "Epoch 1/2: 8 batches in 0:02, 4.0 it/s, train_loss 0.1235, score 0.5\n" +
        "Epoch 2/2: 8 batches in 0:02, 4.0 it/s, train_loss 0.1235, score 1e-7\n",
    );
  });

  it("is a line every ten seconds for long epochs, with the time left", async () => {
    const text = await show(4000, false, (trainer) => trainer.fit(model, { train: boringBatches(8) }));
    const epoch = (number: number) =>
      `Epoch ${number}/2: batch 3/8, 4.0 s/it, 0:20 left, train_loss 0.1235\n` +
      `Epoch ${number}/2: batch 6/8, 4.0 s/it, 0:08 left, train_loss 0.1235\n` +
      `Epoch ${number}/2: 8 batches in 0:32, 4.0 s/it, train_loss 0.1235\n`;
    expect(text).toBe(epoch(1) + epoch(2));
  });

  it("is a line for validate and predict", async () => {
    const text = await show(0, false, async (trainer) => {
      await trainer.validate(model, { val: boringBatches(3) });
      await trainer.predict(model, { predict: boringBatches(1) });
    });
    expect(text).toBe(
      "Validation: 3 batches in 0:00, - it/s, score 0.5\nPrediction: 1 batch in 0:00, - it/s\n",
    );
  });

  it("is a bar in a terminal, with the epoch, batches, speed and metrics, and leaves no timer", async () => {
    const listeners = process.listenerCount("SIGINT");
    const timers = countTimers();
    const text = await show(250, true, (trainer) => trainer.fit(model, data()));
    expect(text).toContain("Epoch 1/2 [");
    expect(text).toContain(
      "Epoch 2/2 [========================] 2/2, 4.0 it/s, 0:01, train_loss 0.1235, score 1e-7",
    );
    expect(process.listenerCount("SIGINT")).toBe(listeners);
    expect(countTimers()).toBeLessThanOrEqual(timers);
  });

  it("ends its bar where training fails", async () => {
    const timers = countTimers();
    await show(1, true, async (trainer) => {
      model.onTrainBatchEnd = () => {
        throw new Error("on purpose");
      };
      await expect(trainer.fit(model, data())).rejects.toThrow("on purpose");
    });
    expect(countTimers()).toBeLessThanOrEqual(timers);
  });
});
