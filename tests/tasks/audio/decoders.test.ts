/** One tone and one spoken sentence in every format, at every rate: as long as they were, and with the same words in them. */
import "../../support/backend.js";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import wavefile from "wavefile";
import { Trainer } from "../../../src/core/index.js";
import { decodeAudio, melSpectrogram, resample, type AudioSource } from "../../../src/data/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { SpeechRecognitionData, SpeechRecognizer } from "../../../src/tasks/audio/index.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-decoders-"));
afterAll(() => rmSync(folder, { recursive: true }));
const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;

/** What everything is compared at: the bandwidth of the lowest rate. */
const RATE = 8000;
const RATES = [8000, 16000, 44100, 48000];
const WAV_RATES = [8000, 22050, 48000];
const SENTENCE = "seven three one";
const RECORDED = 16000;

/** Where the second and the third word begin, as shares of the recording. */
const PLACES = [0.32, 0.53] as const;

let speech: Float32Array;
let recognizer: SpeechRecognizer;

const tone = Float32Array.from(
  { length: RECORDED },
  (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * i) / RECORDED),
);

/** The recording, louder and softer, and its parts: what comes before or behind a third of it, so that all words are learnt. */
function utterances(recording: Float32Array, count: number) {
  const random = new Generator(1);
  const words = SENTENCE.split(" ");
  const parts = [
    { from: 0, to: 1, words },
    { from: 0, to: PLACES[0], words: words.slice(0, 1) },
    { from: PLACES[0], to: 1, words: words.slice(1) },
    { from: 0, to: PLACES[1], words: words.slice(0, 2) },
    { from: PLACES[1], to: 1, words: words.slice(2) },
  ];
  const chosen = Array.from(
    { length: count },
    (_, i) => parts[i % 2 === 0 ? 0 : random.integer(parts.length)]!,
  );
  const files = chosen.map(({ from, to }) => {
    const gain = random.between(0.6, 1.2);
    const piece = recording.subarray(from * recording.length, to * recording.length);
    return { samples: piece.map((value) => gain * value), sampleRate: RATE };
  });
  return { files, transcripts: chosen.map((part) => part.words.join(" ")) };
}

beforeAll(async () => {
  const fixture = resolve(import.meta.dirname, "../../data/audio/fixtures/mono.wav");
  speech = (await decodeAudio(fixture)).samples;
  seedEverything(1);
  const train = utterances(resample(speech, RECORDED, RATE), 48);
  const data = await SpeechRecognitionData.fromFiles({ train, tokens: "words", batchSize: 16 });
  const encoderOptions = { channels: 8, hiddenSize: 24, numLayers: 1, dropout: 0 };
  recognizer = new SpeechRecognizer({
    data,
    frontEnd: { sampleRate: RATE, nMels: 20 },
    encoderOptions,
    learningRate: 8e-3,
    specAugment: false,
  });
  const quiet = { logger: false, enableProgressBar: false, enableCheckpointing: false } as const;
  await new Trainer({ ...quiet, maxEpochs: 30 }).fit(recognizer, data);
}, 240_000);

/** 1 for the same sound. */
function correlation(a: Float32Array, b: Float32Array): number {
  const length = Math.min(a.length, b.length);
  const mean = (x: Float32Array) => x.subarray(0, length).reduce((sum, value) => sum + value, 0) / length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < length; i++) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB];
    xy += x * y;
    xx += x * x;
    yy += y * y;
  }
  return xy / Math.sqrt(xx * yy);
}

/** @param slack in seconds @param noisy whether little bits make the quiet parts of the sound something else */
async function expectSame(
  source: (sound: Float32Array, name: string) => AudioSource,
  slack: number,
  noisy = false,
) {
  const heardTone = await decodeAudio(source(tone, "tone"), { sampleRate: RATE });
  const expectedTone = resample(tone, RECORDED, RATE);
  expect(Math.abs(heardTone.samples.length - expectedTone.length) / RATE).toBeLessThanOrEqual(slack);
  expect(correlation(heardTone.samples, expectedTone)).toBeGreaterThan(0.98);

  const spoken = source(speech, "speech");
  const heard = await decodeAudio(spoken, { sampleRate: RATE });
  const expected = resample(speech, RECORDED, RATE);
  expect(Math.abs(heard.samples.length - expected.length) / RATE).toBeLessThanOrEqual(slack);
  // Of what an ear hears: lossy formats keep neither phases nor what is masked.
  const options = { sampleRate: RATE, nFft: 256, hopLength: 80, nMels: 20, fMin: 100, fMax: 3400 } as const;
  const features = (samples: Float32Array) =>
    melSpectrogram(samples, { ...options, log: "natural", logOffset: noisy ? 1e-2 : 1e-4 })
      .data as Float32Array;
  expect(correlation(features(heard.samples), features(expected))).toBeGreaterThan(0.98);
  return spoken;
}

async function expectSentence(spoken: readonly AudioSource[]): Promise<void> {
  for (const { text } of await recognizer.predict(spoken)) expect(text).toBe(SENTENCE);
}

it("the recogniser knows the sentence", async () => {
  expect((await recognizer.predict({ samples: speech, sampleRate: RECORDED })).text).toBe(SENTENCE);
});

describe("the same sentence from", () => {
  it.each(["8", "16", "24", "32", "32f", "64"])(
    "WAV of %s bits, at three rates, mono and stereo",
    async (bits) => {
      const spoken: AudioSource[] = [];
      for (const rate of WAV_RATES) {
        for (const channels of [1, 2]) {
          const wav = (sound: Float32Array): Buffer => {
            const samples = resample(sound, RECORDED, rate);
            const isFloat = bits === "32f" || bits === "64";
            const scale = isFloat ? 1 : 2 ** (Number(bits) - 1) - 1;
            const values = Array.from(samples, (value) => {
              return isFloat ? value : Math.round(value * scale) + (bits === "8" ? 128 : 0);
            });
            const file = new wavefile.WaveFile();
            file.fromScratch(channels, rate, bits, channels === 1 ? values : [values, values]);
            return Buffer.from(file.toBuffer());
          };
          spoken.push(await expectSame(wav, 1 / RATE, bits === "8"));
        }
      }
      await expectSentence(spoken);
    },
    300_000,
  );

  /** What the encoders of ffmpeg are told, and the rates that they know. */
  const formats: Record<string, { options: string[]; rates?: number[]; slack?: number }> = {
    flac: { options: [] },
    mp3: { options: ["-b:a", "64k"], slack: 0.002 },
    ogg: { options: ["-c:a", "libvorbis", "-q:a", "5"] },
    opus: { options: ["-c:a", "libopus", "-b:a", "64k"], rates: [8000, 16000, 48000] },
    m4a: { options: ["-c:a", "aac", "-b:a", "64k"], slack: 0.002 },
  };
  it.skipIf(!hasFfmpeg).each(Object.keys(formats))(
    "%s, at all rates, mono and stereo (needs ffmpeg)",
    async (format) => {
      const { options, rates = RATES, slack = 1.5 / RATE } = formats[format]!;
      const spoken: AudioSource[] = [];
      for (const rate of rates) {
        for (const channels of [1, 2]) {
          const encoded = (sound: Float32Array, name: string): string => {
            const samples = Array.from(resample(sound, RECORDED, rate));
            const file = new wavefile.WaveFile();
            file.fromScratch(channels, rate, "32f", channels === 1 ? samples : [samples, samples]);
            const [input, output] = [`${name}.wav`, `${name}_${rate}_${channels}.${format}`].map((each) => {
              return join(folder, each);
            });
            writeFileSync(input!, file.toBuffer());
            execFileSync("ffmpeg", ["-v", "error", "-y", "-i", input!, ...options, output!]);
            return output!;
          };
          spoken.push(await expectSame(encoded, slack));
        }
      }
      await expectSentence(spoken);
    },
    300_000,
  );
});
