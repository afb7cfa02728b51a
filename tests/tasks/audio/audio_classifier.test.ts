/** AudioClassifier as a user meets it, and voice activity. */
import "../../support/backend.js";
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Trainer, type TrainerOptions } from "../../../src/core/index.js";
import { engine } from "../../../src/engine/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { AudioClassificationData, AudioClassifier, voiceActivity } from "../../../src/tasks/audio/index.js";
import { describeShared } from "../../support/shared.js";
import { NAMES, RATE, say, single } from "./tones.js";

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const folder = () => mkdtempSync(join(tmpdir(), "kindling-audio-"));
const frontEnd = { sampleRate: RATE, nMels: 16 };

describe("a classifier trained from nothing", () => {
  let task: AudioClassifier;
  let accuracy: number;
  beforeAll(async () => {
    seedEverything(1);
    engine.resetStats();
    const data = await AudioClassificationData.fromFiles({ train: single(48, 1), val: single(12, 2) });
    task = new AudioClassifier({ data, frontEnd, specAugment: false });
    const trainer = new Trainer({ ...quiet, maxEpochs: 8 });
    await trainer.fit(task, data);
    accuracy = trainer.callbackMetrics.val_accuracy!;
  }, 60_000);

  it("learns, without a kernel on the slow path", () => {
    expect(accuracy).toBe(1);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("gives one answer for one sound and many for many, alone as in a batch", async () => {
    const random = new Generator(5);
    const sounds = NAMES.map((name) => say([name], random));
    expect((await task.predict(sounds)).map(({ label }) => label)).toEqual(NAMES);
    const alone = await task.predict(sounds[1]!, { output: "logits" });
    const together = await task.predict(sounds, { output: "logits" });
    alone.forEach((logit, i) => expect(together[1]![i]).toBeCloseTo(logit, 2));
    expect(await task.predict(sounds[2]!, { topK: 2 })).toHaveLength(2);
  });

  it("reports on a part, and names the sound that is wrongly labelled", async () => {
    const { files, targets } = single(12, 9);
    const wrong = targets.with(5, targets[5] === "low" ? "high" : "low");
    const data = await AudioClassificationData.fromFiles({
      test: { files, targets: wrong },
      labels: task.labels,
    });
    const report = await task.report(data);
    expect(report.hardest[0]).toMatchObject({ sample: files[5], index: 5, target: wrong[5] });
    expect(report.accuracy).toBeCloseTo(11 / 12, 5);
  });

  it("classifies each stretch in which something is said", async () => {
    const sound = say(["high", "low"], new Generator(6));
    const options = { voiceActivity: { pauseSeconds: 0.05 } };
    const segments = await task.predict(sound, options);
    expect(segments.map(({ prediction }) => prediction.label)).toEqual(["high", "low"]);
    expect(segments[1]!.start).toBeGreaterThan(segments[0]!.start);
  });

  it("is the same after it was saved and loaded", async () => {
    const path = join(folder(), "tones.kindling");
    await task.save(path);
    const loaded = await AudioClassifier.load(path);
    const sound = say(["mid"], new Generator(7));
    expect(await loaded.predict(sound, { output: "logits" })).toEqual(
      await task.predict(sound, { output: "logits" }),
    );
  });
});

describe("multi-label", () => {
  it("trains on sounds of several classes", async () => {
    seedEverything(1);
    const random = new Generator(3);
    const targets = [["low"], ["high", "low"], [], ["high"]];
    const files = targets.map((words) => say(words, random));
    const data = await AudioClassificationData.fromFiles({ train: { files, targets }, multiLabel: true });
    const task = new AudioClassifier({ data, frontEnd });
    await new Trainer({ ...quiet, maxEpochs: 1 }).fit(task, data);
    expect(Array.isArray(await task.predict(files[0]!))).toBe(true);
  });
});

describe("AudioClassificationData", () => {
  const wav = resolve(import.meta.dirname, "../../data/audio/fixtures/mono.wav");

  it("reads class folders and tables, and leaves out what is damaged where told to", async () => {
    const root = folder();
    for (const name of ["cat", "dog"]) {
      mkdirSync(join(root, name));
      for (const i of [1, 2]) cpSync(wav, join(root, name, `${i}.wav`));
    }
    writeFileSync(join(root, "cat", "notes.txt"), "no sound");
    writeFileSync(join(root, "dog", "3.wav"), "RIFF");
    const strict = await AudioClassificationData.fromFolders({ train: root });
    expect(strict.labels).toEqual(["cat", "dog"]);
    expect(strict.warnings[0]).toMatch(/no sounds of a class/);
    await expect(strict.setup("fit")).rejects.toThrow(/3\.wav/);
    const lenient = await AudioClassificationData.fromFolders({ train: root, onBadSample: "skip" });
    await lenient.setup("fit");
    expect(lenient.counts.train).toEqual({ cat: 2, dog: 2 });
    const table = join(root, "sounds.csv");
    writeFileSync(table, "audio,label\ncat/1.wav,cat\ndog/1.wav,dog\n,dog\n");
    await expect(AudioClassificationData.fromCsv({ train: table })).rejects.toThrow(
      /row 4: the column "audio" is empty/,
    );
    const read = await AudioClassificationData.fromCsv({ train: table, onBadSample: "skip" });
    expect(read.counts.train).toEqual({ cat: 1, dog: 1 });
    expect(read.describe()).toMatch(/2 classes/);
  });

  it("refuses an empty folder and a backbone that there is not", async () => {
    await expect(AudioClassificationData.fromFolders({ train: folder() })).rejects.toThrow(
      code("ERR_NO_CLASS_FOLDERS"),
    );
    expect(() => new AudioClassifier({ labels: ["a", "b"], backbone: "cnn" })).toThrow(
      code("ERR_UNKNOWN_BACKBONE"),
    );
    expect(() => new AudioClassifier({})).toThrow(code("ERR_CLASSIFIER_OPTION"));
  });
});

describe("voiceActivity", () => {
  it("finds words, and nothing in digital silence", () => {
    const sound = say(["low", "mid"], new Generator(1));
    const segments = voiceActivity(sound, { pauseSeconds: 0.05, paddingSeconds: 0 });
    expect(segments).toHaveLength(2);
    expect(segments[0]!.start).toBeCloseTo(0.05, 1);
    expect(voiceActivity({ samples: new Float32Array(8000), sampleRate: RATE })).toEqual([]);
    expect(voiceActivity({ samples: new Float32Array(0), sampleRate: RATE })).toEqual([]);
  });
});

describeShared("models/openwakeword", (models) => {
  it("runs frozen, its features computed once, and travels inside the saved task", async () => {
    seedEverything(1);
    const data = await AudioClassificationData.fromFiles({ train: single(24, 1), val: single(6, 2) });
    const task = new AudioClassifier({ data, backbone: models, learningRate: 2e-2 });
    const trainer = new Trainer({ ...quiet, maxEpochs: 20 });
    await trainer.finetune(task, data, { strategy: "freeze" });
    expect(trainer.callbackMetrics.val_accuracy).toBeGreaterThan(0.8);
    const path = join(folder(), "wake.kindling");
    await task.save(path);
    const loaded = await AudioClassifier.load(path);
    const sound = say(["low"], new Generator(3));
    expect(await loaded.predict(sound)).toEqual(await task.predict(sound));
  });
});
