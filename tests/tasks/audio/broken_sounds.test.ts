/** What is wrong with sounds and transcripts is said before training, by file; what is only unusual can be learnt from. */
import "../../support/backend.js";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Trainer } from "../../../src/core/index.js";
import type { AudioSource } from "../../../src/data/index.js";
import { DataError } from "../../../src/errors.js";
import { Generator, seedEverything } from "../../../src/random.js";
import {
  AudioClassificationData,
  AudioClassifier,
  SpeechRecognitionData,
  SpeechRecognizer,
  Vocabulary,
} from "../../../src/tasks/audio/index.js";
import { RATE, say } from "./tones.js";

const root = mkdtempSync(join(tmpdir(), "kindling-broken-"));
afterAll(() => rmSync(root, { recursive: true }));
const quiet = { logger: false, enableProgressBar: false, enableCheckpointing: false } as const;
const labels = ["high", "low", "mid"];
const vocabulary = new Vocabulary("words", labels);
const frontEnd = { sampleRate: RATE, nMels: 16 };
const wav = readFileSync(resolve(import.meta.dirname, "../../data/audio/fixtures/mono.wav"));

function claiming(bytes: number): Buffer {
  const copy = Buffer.from(wav);
  copy.writeUInt32LE(bytes, copy.indexOf("data") + 4);
  return copy;
}

/** A WAV file of float samples, one of which is no number. */
function notANumber(): Buffer {
  const samples = Buffer.alloc(4 * 4000);
  samples.writeFloatLE(NaN, 4 * 2000);
  const header = Buffer.alloc(44);
  header.write("RIFF", 0).toString();
  header.writeUInt32LE(36 + samples.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(3, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(4 * RATE, 28);
  header.writeUInt16LE(4, 32);
  header.writeUInt16LE(32, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

const broken: readonly [name: string, bytes: Buffer, code: string, message: RegExp][] = [
  ["zero bytes", Buffer.alloc(0), "ERR_AUDIO_EMPTY", /0 bytes/],
  ["no samples", claiming(0), "ERR_AUDIO_EMPTY", /no samples/],
  ["half a file", wav.subarray(0, wav.length >> 1), "ERR_AUDIO_TRUNCATED", /announces \d+ bytes.*only \d+/],
  ["4 GB in the header", claiming(0xfffffff0), "ERR_AUDIO_TRUNCATED", /announces 4294967280 bytes/],
  ["NaN", notANumber(), "ERR_AUDIO_NOT_FINITE", /NaN at 0\.250 s/],
  ["no sound at all", Buffer.from("not a sound"), "ERR_AUDIO_FORMAT", /none of WAV, FLAC/],
];

const pathOf = (name: string): string => join(root, `${name}.wav`);
let recognizer: SpeechRecognizer;
let classifier: AudioClassifier;
beforeAll(() => {
  for (const [name, bytes] of broken) writeFileSync(pathOf(name), bytes);
  writeFileSync(pathOf("good"), wav);
  seedEverything(1);
  const encoderOptions = { channels: 4, hiddenSize: 8, numLayers: 1 };
  recognizer = new SpeechRecognizer({ vocabulary, frontEnd, encoderOptions });
  classifier = new AudioClassifier({ labels, frontEnd });
});

async function failureOf(run: Promise<unknown>): Promise<DataError> {
  const error = await run.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

it("a longer sound than a caller allows is refused by both tasks, and a shorter one is not", async () => {
  const tasks: ((options: { maxDecodedSeconds: number }) => Promise<unknown>)[] = [
    (options) => recognizer.predict(wav, options),
    (options) => classifier.predict(wav, options),
  ];
  for (const predict of tasks) {
    expect(await failureOf(predict({ maxDecodedSeconds: 0.1 }))).toMatchObject({ code: "ERR_AUDIO_LIMIT" });
    await predict({ maxDecodedSeconds: 60 });
    await expect(predict({ maxDecodedSeconds: 0 })).rejects.toMatchObject({ code: "ERR_DECODE_OPTION" });
  }
});

describe.each(broken)("%s", (name, _bytes, code, message) => {
  it("is an error of predict that names the file", async () => {
    const path = pathOf(name);
    for (const predict of [() => recognizer.predict(path), () => classifier.predict(path)]) {
      const error = await failureOf(predict());
      expect(error).toMatchObject({ code, path: pathOf(name) });
      expect(error.message).toMatch(message);
      expect(error.message).toContain(pathOf(name));
    }
  });

  it("is found before training, or left out", async () => {
    const files = [pathOf("good"), pathOf(name), pathOf("good")];
    const speech = { train: { files, transcripts: ["low", "mid", "high"] }, tokens: vocabulary };
    const classes = { train: { files, targets: ["low", "mid", "high"] }, labels };
    const strict = [SpeechRecognitionData.fromFiles(speech), AudioClassificationData.fromFiles(classes)];
    for (const data of await Promise.all(strict)) {
      expect((await failureOf(data.setup("fit"))).message).toContain(pathOf(name));
    }
    const onBadSample = "skip";
    const lenient = await SpeechRecognitionData.fromFiles({ ...speech, onBadSample });
    await lenient.setup("fit");
    expect(lenient.counts.train).toBe(2);
    expect(lenient.skipped).toMatchObject([{ part: "train", path: pathOf(name), error: { code } }]);
    const others = await AudioClassificationData.fromFiles({ ...classes, onBadSample });
    await others.setup("fit");
    expect(others.skipped).toMatchObject([{ path: pathOf(name) }]);
  });
});

describe("unusual sounds", () => {
  const silence = { samples: new Float32Array(4000), sampleRate: RATE };
  const clipped = say(["low"], new Generator(1));
  clipped.samples.forEach((value, i) => (clipped.samples[i] = Math.max(-1, Math.min(1, 20 * value))));
  const loud = { samples: clipped.samples.map((value) => 1000 * value), sampleRate: RATE };
  const short = {
    samples: say(["mid"], new Generator(2)).samples.slice(500, 500 + RATE * 0.05),
    sampleRate: RATE,
  };
  const one = { samples: Float32Array.of(0.5), sampleRate: RATE };
  const sounds: AudioSource[] = [silence, clipped, loud, short];

  it("silence, clipping, loudness beyond 1, 0.05 s and a single sample have answers", async () => {
    for (const { text, words } of await recognizer.predict([...sounds, one])) {
      expect(text).toBe(words.map(({ word }) => word).join(" "));
      for (const { start, end, score } of words) {
        expect(start).toBeLessThan(end);
        expect(score).toBeGreaterThan(0);
      }
    }
    for (const logits of await classifier.predict([...sounds, one], { output: "logits" })) {
      expect(logits.every(Number.isFinite)).toBe(true);
    }
  });

  it("leave the weights numbers when they are learnt from", async () => {
    const transcripts = ["", "low", "low", "mid"];
    const speech = await SpeechRecognitionData.fromFiles({
      train: { files: sounds, transcripts },
      tokens: vocabulary,
    });
    const classes = await AudioClassificationData.fromFiles({
      train: { files: sounds, targets: ["high", "low", "low", "mid"] },
    });
    for (const [task, data] of [
      [recognizer, speech],
      [classifier, classes],
    ] as const) {
      const trainer = new Trainer({ ...quiet, maxEpochs: 2 });
      await trainer.fit(task, data);
      expect(Number.isFinite(trainer.callbackMetrics.train_loss)).toBe(true);
      for (const parameter of task.parameters()) {
        expect(parameter.dataSync().every(Number.isFinite)).toBe(true);
      }
    }
  });

  it("that last less than `minSeconds` or more than `maxSeconds` are named with their seconds", async () => {
    const train = { files: [short], transcripts: ["low"] };
    const strict = await SpeechRecognitionData.fromFiles({ train, tokens: vocabulary, minSeconds: 0.06 });
    expect(await failureOf(strict.setup("fit"))).toMatchObject({ code: "ERR_AUDIO_DURATION" });
    const brief = await SpeechRecognitionData.fromFiles({ train, tokens: vocabulary, maxSeconds: 0.04 });
    expect((await failureOf(brief.setup("fit"))).message).toMatch(/0\.050 s.*maxSeconds/);
  });
});

describe("a transcript with what is not in the vocabulary", () => {
  it("is named with its file and its characters", async () => {
    const train = { files: [pathOf("good"), pathOf("good")], transcripts: ["low", "löw ✓ 東"] };
    const tokens = new Vocabulary("characters", [..." abcdefghijklmnopqrstuvwxyz"]);
    const data = await SpeechRecognitionData.fromFiles({ train, tokens });
    const error = await failureOf(data.setup("fit"));
    expect(error).toMatchObject({ code: "ERR_TRANSCRIPT_TOKEN" });
    expect(error.message).toContain('"ö", "東"');
    const lenient = await SpeechRecognitionData.fromFiles({ train, tokens, onBadSample: "skip" });
    await lenient.setup("fit");
    expect(lenient.counts.train).toBe(1);
  });
});
