/** ModelCheckpoint's options one by one; names as Lightning's documentation and Python's format() make them. */
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ModelCheckpoint, readCheckpoint, type ModelCheckpointOptions } from "../../../src/core/index.js";
import { data, fakeClock, listen, quiet, Scored, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const files = (path = folder.path) => readdirSync(path).sort();
const epochs = (path = folder.path) =>
  files(path).map((name) => Number(/epoch=(\d+)/.exec(name)?.[1] ?? NaN));

async function run(scores: readonly number[], options: ModelCheckpointOptions = {}, trainerOptions = {}) {
  const callback = new ModelCheckpoint({ monitor: "score", dirpath: folder.path, ...options });
  const trainer = quiet({ maxEpochs: scores.length, callbacks: callback, ...trainerOptions });
  const model = new Scored(scores);
  await trainer.fit(model, data(4));
  return { callback, trainer, model };
}

describe("names", () => {
  it.each([
    // format(value, spec) in Python 3
    ["{epoch}-{step}", "epoch=2-step=12"],
    ["{epoch:02d}-{step:06d}", "epoch=02-step=000012"],
    ["{val_loss:.2f}", "val_loss=0.33"],
    ["{val_loss:.3e}", "val_loss=3.333e-01"],
    ["{tiny:.1e}", "tiny=1.5e-07"],
    ["{val_loss:f}", "val_loss=0.333333"],
    ["{negative:08.3f}", "negative=-001.500"],
    ["{val_loss:8.3f}", "val_loss=   0.333"],
    ["{half}", "half=0.5"],
    ["best-{missing}", "best-missing=0"],
    ["{val/acc:.1f}", "val_acc=0.5"],
    ["model", "model"],
  ])("%s is %s", (filename, expected) => {
    const metrics = {
      epoch: 2,
      step: 12,
      val_loss: 1 / 3,
      tiny: 1.5e-7,
      negative: -1.5,
      half: 0.5,
      "val/acc": 0.5,
    };
    expect(new ModelCheckpoint({ filename }).formatCheckpointName(metrics)).toBe(expected);
  });

  it("have values only with autoInsertMetricName: false", () => {
    const callback = new ModelCheckpoint({
      filename: "e{epoch:02d}-{val_loss:.2f}",
      autoInsertMetricName: false,
    });
    expect(callback.formatCheckpointName({ epoch: 3, val_loss: 0.125 })).toBe("e03-0.13");
  });

  it("of a taken file get a version, or replace it with enableVersionCounter: false", async () => {
    await run([1], { filename: "model" });
    await run([1], { filename: "model" });
    expect(files()).toEqual(["model-v1.safetensors", "model.safetensors"]);
    await run([1], { filename: "model", enableVersionCounter: false });
    expect(files()).toHaveLength(2);
  });

  it("stay the same while one file replaces the other", async () => {
    const { callback } = await run([3, 2, 1], { filename: "best" });
    expect(files()).toEqual(["best.safetensors"]);
    expect((await readCheckpoint(callback.bestModelPath!)).progress.epoch).toBe(3);
  });
});

describe("when to save", () => {
  it("is every n epochs", async () => {
    await run([1, 1, 1, 1, 1], { everyNEpochs: 2, saveTopK: -1 });
    expect(epochs()).toEqual([1, 3]);
  });

  it("is every n optimizer steps, with accumulation once each", async () => {
    await run([1, 1], { everyNTrainSteps: 3, saveTopK: -1, monitor: undefined });
    expect(files()).toEqual(["epoch=0-step=3.safetensors", "epoch=1-step=6.safetensors"]);
    const path = join(folder.path, "accumulated");
    await run(
      [1, 1],
      { everyNTrainSteps: 1, saveTopK: -1, monitor: undefined, dirpath: path },
      { accumulateGradBatches: 2 },
    );
    expect(files(path)).toHaveLength(4);
  });

  it("waits for validation where a step's metric is not there yet", async () => {
    const { callback } = await run([0.5, 0.25], { everyNTrainSteps: 3, saveTopK: -1 });
    // Step 3 of epoch 0 comes before the first validation; step 6 finds the score of epoch 0.
    expect(files()).toEqual(["epoch=0-step=4.safetensors", "epoch=1-step=6.safetensors"]);
    expect(Object.values(callback.bestKModels)).toEqual([0.5, 0.5]);
  });

  it("is after a time", async () => {
    const clock = fakeClock();
    const callback = new ModelCheckpoint({
      dirpath: folder.path,
      saveTopK: -1,
      trainTimeInterval: { seconds: 10 },
    });
    const model = new Scored([1, 1]);
    model.onTrainBatchStart = () => void (clock.now += 4000);
    await quiet({ maxEpochs: 2, callbacks: callback }).fit(model, data(4));
    // 8 batches of 4 s: due when 12 and 24 s have passed.
    expect(files()).toEqual(["epoch=0-step=3.safetensors", "epoch=1-step=6.safetensors"]);
  });

  it("is the end of validated epochs, of every epoch if asked, or of validations", async () => {
    const every = { checkValEveryNEpoch: 2 };
    await run([9, 1, 9, 1], { saveTopK: -1 }, every);
    expect(epochs()).toEqual([1, 3]);
    const [all, validations] = [join(folder.path, "all"), join(folder.path, "validations")];
    await run(
      [9, 1, 9, 1],
      { saveTopK: -1, monitor: undefined, saveOnTrainEpochEnd: true, dirpath: all },
      every,
    );
    expect(epochs(all)).toEqual([0, 1, 2, 3]);
    await run([9, 1, 9, 1], { saveTopK: -1, saveOnTrainEpochEnd: false, dirpath: validations }, every);
    expect(epochs(validations)).toEqual([1, 3]);
  });

  it("is after each validation where that runs several times an epoch", async () => {
    await run([1, 1], { saveTopK: -1 }, { valCheckInterval: 0.5 });
    expect(files()).toEqual([
      "epoch=0-step=2.safetensors",
      "epoch=0-step=4.safetensors",
      "epoch=1-step=6.safetensors",
      "epoch=1-step=8.safetensors",
    ]);
  });

  it("is never with saveTopK: 0", async () => {
    await run([1, 2], { saveTopK: 0 });
    expect(files()).toEqual([]);
  });
});

describe("what is kept", () => {
  it("is the best k, with their scores", async () => {
    const { callback } = await run([5, 3, 4, 1], { saveTopK: 2 });
    expect(epochs()).toEqual([1, 3]);
    const [best, second] = [
      join(folder.path, "epoch=3-step=16.safetensors"),
      join(folder.path, "epoch=1-step=8.safetensors"),
    ];
    expect(callback.bestKModels).toEqual({ [best]: 1, [second]: 3 });
    expect(callback).toMatchObject({
      bestModelPath: best,
      bestModelScore: 1,
      kthBestModelPath: second,
      kthValue: 3,
      currentScore: 1,
    });
  });

  it("is the last state besides, as a file of its own", async () => {
    const { callback } = await run([1, 2, 3], { saveLast: true });
    expect(files()).toEqual(["epoch=0-step=4.safetensors", "last.safetensors"]);
    expect(callback.lastModelPath).toBe(join(folder.path, "last.safetensors"));
    expect((await readCheckpoint(callback.lastModelPath!)).progress.epoch).toBe(3);
  });

  it("is the last state as a link, and as a file where the state is kept nowhere else", async () => {
    const last = join(folder.path, "last.safetensors");
    await run([3, 2, 1], { saveLast: "link" });
    expect(files()).toEqual(["epoch=2-step=12.safetensors", "last.safetensors"]);
    expect(readlinkSync(last)).toBe("epoch=2-step=12.safetensors");
    expect((await readCheckpoint(last)).progress.epoch).toBe(3);
    const other = join(folder.path, "other");
    await run([1, 2], { saveLast: "link", dirpath: other });
    const written = join(other, "last.safetensors");
    expect(lstatSync(written).isSymbolicLink()).toBe(false);
    expect((await readCheckpoint(written)).progress.epoch).toBe(2);
  });

  it("is weights only with saveWeightsOnly", async () => {
    const { callback } = await run([1], { saveWeightsOnly: true });
    const saved = await readCheckpoint(callback.bestModelPath!);
    expect(saved.optimizerStates).toBeUndefined();
    expect(saved.callbacks).toEqual({});
    expect(Object.keys(saved.stateDict).sort()).toEqual(["layer.bias", "layer.weight"]);
  });

  it("is the state at an exception with saveOnException, whole enough to go on from", async () => {
    const callback = () =>
      new ModelCheckpoint({ dirpath: folder.path, saveTopK: 0, saveOnException: true, saveLast: true });
    const model = new Scored([1]);
    model.onTrainBatchEnd = (_outputs, _batch, batchIdx) => {
      if (batchIdx === 1) throw new Error("on purpose");
    };
    await expect(quiet({ callbacks: callback() }).fit(model, data(4))).rejects.toThrow("on purpose");
    expect(files()).toEqual(["epoch=0-step=2.safetensors", "last.safetensors"]);
    const resumed = quiet({ maxEpochs: 1 });
    await resumed.fit(new Scored([1]), data(4), { ckptPath: join(folder.path, "last.safetensors") });
    expect(resumed.globalStep).toBe(4);
  });
});

describe("a resumed fit", () => {
  it("knows the best and the last, deletes what it outdoes, but never the file it came from", async () => {
    const options: ModelCheckpointOptions = {
      monitor: "score",
      dirpath: folder.path,
      saveTopK: 2,
      saveLast: true,
    };
    const first = new ModelCheckpoint(options);
    await quiet({ maxEpochs: 3, callbacks: first }).fit(new Scored([3, 5, 4]), data(4));
    expect(epochs()).toEqual([0, 2, NaN]);
    const ckptPath = join(folder.path, "epoch=2-step=12.safetensors");
    const second = new ModelCheckpoint(options);
    await quiet({ maxEpochs: 5, callbacks: second }).fit(new Scored([9, 9, 9, 2, 1]), data(4), { ckptPath });
    expect(second.bestModelScore).toBe(1);
    expect(epochs()).toEqual([2, 3, 4, NaN]);
    expect(second.lastModelPath).toBe(join(folder.path, "last.safetensors"));
    expect(files().filter((name) => name.startsWith("last"))).toEqual(["last.safetensors"]);
  });

  it("leaves files outside its folder alone, and the best of before stays the best", async () => {
    const [before, after] = [join(folder.path, "before"), join(folder.path, "after")];
    const first = new ModelCheckpoint({ monitor: "score", dirpath: before });
    await quiet({ maxEpochs: 2, callbacks: first }).fit(new Scored([1, 2]), data(4));
    mkdirSync(after);
    const second = new ModelCheckpoint({ monitor: "score", dirpath: after });
    const ckptPath = first.bestModelPath!;
    await quiet({ maxEpochs: 2, callbacks: second }).fit(new Scored([1, 2]), data(4), { ckptPath });
    expect(second.bestModelPath).toBe(ckptPath);
    await quiet({ maxEpochs: 2, callbacks: second }).fit(new Scored([1, 0.5]), data(4), { ckptPath });
    expect(epochs(before)).toEqual([0]);
    expect(second.bestModelScore).toBe(0.5);
    expect(existsSync(second.bestModelPath!)).toBe(true);
  });
});

describe("what it says", () => {
  it("is nothing, and with verbose each decision", async () => {
    const { bar, text } = listen();
    await run(
      [1, 2],
      { verbose: true },
      {
        enableProgressBar: true,
        callbacks: [bar, new ModelCheckpoint({ monitor: "score", dirpath: folder.path, verbose: true })],
      },
    );
    const path = join(folder.path, "epoch=0-step=4.safetensors");
    expect(text()).toContain(`ModelCheckpoint: epoch 0, step 4: score is 1; saved as ${path}.\n`);
    expect(text()).toContain("ModelCheckpoint: epoch 1, step 8: score is 2; not among the best 1.\n");
  });

  it("is an error where the metric was never logged", async () => {
    await expect(run([1], { monitor: "skore" })).rejects.toThrow(
      'ModelCheckpoint monitors "skore", which was not logged. Choose one of "train_loss", "score". Did you mean "score"?',
    );
    await expect(run([1], { monitor: "skore", everyNTrainSteps: 1 })).rejects.toThrow("which was not logged");
  });

  it.each([
    [{ saveTopK: 2 }, "with a monitor any count, not 2"],
    [{ saveTopK: -2 }, "must be -1 (all), 0, 1, or with a monitor any count, not -2"],
    [{ saveLast: "copy" as never }, 'saveLast must be true, false or "link", not "copy"'],
    [{ restoreBest: true }, "restoreBest needs a monitor"],
    [
      { everyNEpochs: 1, everyNTrainSteps: 2 },
      "was given everyNTrainSteps and everyNEpochs. Each says alone when to save",
    ],
    [{ everyNTrainSteps: 1.5 }, "everyNTrainSteps must be an integer >= 0, not 1.5"],
    [{ trainTimeInterval: 5 as never }, "Say which unit: { seconds: 5 }"],
    [{ filename: "{step:x}" }, "the field {step:x}, whose format is not known. Formats are as in {step:06d}"],
    [{ mode: "best" as never }, 'Choose one of "min", "max".'],
  ])("is an error for %j", (options, message) => {
    expect(() => new ModelCheckpoint(options as ModelCheckpointOptions)).toThrow(message);
  });
});
