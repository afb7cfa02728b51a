/** Published recognisers, with tiny models in the Hugging Face layout whose words can be foreseen. */
import "../../support/backend.js";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import { describe, expect, it } from "vitest";
import type { AudioSamples } from "../../../src/data/index.js";
import { Generator } from "../../../src/random.js";
import {
  NGramLanguageModel,
  PretrainedSpeechRecognizer,
  SpeechRecognizer,
} from "../../../src/tasks/audio/index.js";
import { splitAtPauses } from "../../../src/tasks/audio/split_at_pauses.js";

const fixture = (name: string): string => resolve(import.meta.dirname, "fixtures", name);
env.localModelPath = "";
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const RATE = 16000;

function chirp(seconds: number, loudness = 0.3): AudioSamples & { samples: Float32Array } {
  const length = Math.round(seconds * RATE);
  const samples = Float32Array.from({ length }, (_, i) => loudness * Math.sin(i / 9) * Math.sin(i / 2000));
  return { samples, sampleRate: RATE };
}

function noise(seconds: number): AudioSamples & { samples: Float32Array } {
  const random = new Generator(1);
  return { samples: chirp(seconds).samples.map(() => 0.3 * random.normal()), sampleRate: RATE };
}

const silence = (seconds: number) => chirp(seconds, 0);

describe("Whisper", () => {
  const load = () => PretrainedSpeechRecognizer.load(fixture("tiny_whisper"));

  it("hears one sound or many, and leaves special tokens out", async () => {
    const model = await load();
    expect(await model.predict(chirp(2))).toEqual({ text: "hello world" });
    expect(await model.predict([chirp(0.05), silence(1)])).toEqual([
      { text: "hello world" },
      { text: "hello there" },
    ]);
    expect(await model.predict(chirp(1), { language: "german", task: "translate" })).toEqual({
      text: "hello world",
    });
    await model.dispose();
  });

  it("says when, by the segment and by the word", async () => {
    const model = await load();
    const bounds = [
      [0, 6],
      [6, 16],
      [16, 26],
    ];
    expect(await model.predict(chirp(10), { timestamps: "segment" })).toEqual({
      text: "hello world hello world hello world",
      segments: bounds.map(([start, end]) => ({ text: "hello world", start, end })),
    });
    const { segments } = await model.predict(chirp(10), { timestamps: "word" });
    expect(segments!.map(({ text }) => text).join(" ")).toBe("hello world hello world hello world");
    const [hello, world] = segments!;
    expect(hello!.start).toBeLessThan(hello!.end!);
    expect(hello!.end).toBeLessThanOrEqual(world!.start);
    await model.dispose();
  });

  it("joins the windows of long sounds: each segment once, with the seconds of the whole", async () => {
    const model = await load();
    // Windows of 30 s begin at 0, 20 and 40 s. Each says the same from its beginning to its 26th second.
    const { segments } = await model.predict(chirp(70), { timestamps: "segment" });
    expect(segments!.map(({ start }) => start)).toEqual([0, 6, 16, 26, 36, 46, 56]);
    for (const { text } of segments!) expect(text).toBe("hello world");
    expect((await model.predict(chirp(65))).text).toMatch(/^hello world/);
    await model.dispose();
  });
});

describe("Moonshine", () => {
  it("hears one sound or many, of any length", async () => {
    const model = await PretrainedSpeechRecognizer.load(fixture("tiny_moonshine"));
    expect(await model.predict([chirp(2), silence(2), chirp(0.5)])).toEqual([
      { text: "hello world" },
      { text: "hello there" },
      { text: "hello world" },
    ]);
    const pieces = splitAtPauses(chirp(5), 2);
    expect(pieces.length).toBeGreaterThan(2);
    const text = pieces.map(() => "hello world").join(" ");
    expect(await model.predict(chirp(5), { chunkSeconds: 2 })).toEqual({ text });
    await expect(model.predict(chirp(1), { language: "en" })).rejects.toThrow(code("ERR_PRETRAINED_SPEECH"));
    await model.dispose();
  });

  it("is cut where it is quiet, and nothing is lost", () => {
    const samples = new Float32Array(RATE * 10).fill(0.5);
    samples.fill(0, RATE * 3, RATE * 3.4);
    samples.fill(0, RATE * 6, RATE * 6.4);
    const pieces = splitAtPauses({ samples, sampleRate: RATE }, 4);
    const ends = pieces.map((_, i) => pieces.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0));
    expect(ends.at(-1)).toBe(samples.length);
    expect(ends[0]! / RATE).toBeGreaterThan(3);
    expect(ends[0]! / RATE).toBeLessThan(3.4);
    expect(ends[1]! / RATE).toBeGreaterThan(6);
    expect(ends[1]! / RATE).toBeLessThan(6.4);
    expect(splitAtPauses({ samples: new Float32Array(5), sampleRate: RATE }, 4)).toHaveLength(1);
  });
});

describe("wav2vec 2.0 with CTC", () => {
  const folder = fixture("tiny_wav2vec2");

  it("writes down what Hugging Face's own pipeline does, with words and their seconds", async () => {
    const model = await PretrainedSpeechRecognizer.load(folder);
    const reference = await pipeline("automatic-speech-recognition", folder, { dtype: "fp32" });
    for (const seconds of [1, 2.345]) {
      const sound = noise(seconds);
      const { text, words } = await model.predict(sound);
      expect(text).toBe((await reference(sound.samples)).text.replace(/ +/g, " "));
      expect(text.length).toBeGreaterThan(3);
      expect(words!.map(({ word }) => word).join(" ")).toBe(text);
      for (const { start, end, score } of words!) {
        expect(start).toBeLessThan(end);
        expect(end).toBeLessThanOrEqual(seconds + 0.02);
        expect(score).toBeGreaterThan(0);
      }
    }
    await reference.dispose();
    await model.dispose();
  });

  it("hears long sounds in windows as it hears the whole", async () => {
    const model = await PretrainedSpeechRecognizer.load(folder);
    const sound = noise(6);
    const whole = await model.predict(sound);
    const windows = await model.predict(sound, { chunkSeconds: 2, overlapSeconds: 0.5 });
    // Each window is normalised by itself, so that a letter may differ.
    expect(Math.abs(windows.text.length - whole.text.length)).toBeLessThan(0.1 * whole.text.length);
    const starts = windows.words!.map(({ start }) => start);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
  });

  it("is a recogniser with all that belongs to one", async () => {
    const task = await SpeechRecognizer.fromPretrained(folder);
    expect(task.vocabulary.tokens).toEqual(["", " ", ..."abcdefg"]);
    expect(task.secondsPerFrame).toBe(0.02);
    const sound = noise(1);
    const languageModel = NGramLanguageModel.fromTexts(["abc"]);
    expect(typeof (await task.predict(sound, { languageModel })).text).toBe("string");
    const file = join(mkdtempSync(join(tmpdir(), "kindling-ctc-")), "task.kindling");
    await task.save(file);
    expect(await (await SpeechRecognizer.load(file)).predict(sound)).toEqual(await task.predict(sound));
  });
});

describe("what cannot be used says so:", () => {
  it.each<[string, Record<string, string | null>, RegExp]>([
    ["no config.json", { "config.json": null }, /no config\.json/],
    ["another kind of model", { "config.json": '{"model_type": "bert"}' }, /"bert".*whisper/],
    ["no tokens", { "tokenizer.json": null }, /neither tokenizer\.json nor vocab\.json/],
    [
      "pieces of words",
      { "tokenizer.json": '{"model": {"vocab": {"<pad>": 0, "▁the": 5}}}' },
      /pieces of words/,
    ],
    ["no blank", { "tokenizer.json": '{"model": {"vocab": {"a": 5}}}', "config.json": '{"model_type": "wav2vec2"}' }, /blank/], // prettier-ignore
    ["no model", { "onnx/model.onnx": null }, /has no weights/],
  ])("%s", async (_name, files, message) => {
    const folder = mkdtempSync(join(tmpdir(), "kindling-pretrained-"));
    cpSync(fixture("tiny_wav2vec2"), folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      if (content === null) rmSync(join(folder, name));
      else writeFileSync(join(folder, name), content);
    }
    const error = await PretrainedSpeechRecognizer.load(folder).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: "ERR_PRETRAINED_SPEECH",
      message: expect.stringMatching(message) as string,
    });
    rmSync(folder, { recursive: true });
  });

  it("an encoder without a head", async () => {
    await expect(SpeechRecognizer.fromPretrained(fixture("tiny_encoder"))).rejects.toThrow(/no `logits`/);
  });
});
