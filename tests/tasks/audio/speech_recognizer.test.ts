/** SpeechRecognizer as a user meets it: training, transcribing, long sounds, streams, saving, and what it refuses. */
import "../../support/backend.js";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Trainer, type TrainerOptions } from "../../../src/core/index.js";
import { fromHost } from "../../../src/engine/index.js";
import { engine } from "../../../src/engine/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { Generator, seedEverything } from "../../../src/random.js";
import {
  NGramLanguageModel,
  SpeechRecognitionData,
  SpeechRecognizer,
  Vocabulary,
  wordErrorRate,
  type RecognizedWord,
  type SpeechRecognizerOptions,
} from "../../../src/tasks/audio/index.js";
import { randomWords, RATE, say, spoken } from "./tones.js";

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const frontEnd = { sampleRate: RATE, nMels: 20 };

let task: SpeechRecognizer;
let data: SpeechRecognitionData;
let wer: number;

beforeAll(async () => {
  seedEverything(1);
  engine.resetStats();
  data = await SpeechRecognitionData.fromFiles({
    train: spoken(64, 1),
    val: spoken(16, 2),
    tokens: "words",
    batchSize: 16,
  });
  const encoderOptions = { subsampling: 4 as const, channels: 8, hiddenSize: 24, numLayers: 1, dropout: 0 };
  task = new SpeechRecognizer({ data, frontEnd, encoderOptions, learningRate: 8e-3, specAugment: false });
  const trainer = new Trainer({ ...quiet, maxEpochs: 80, checkValEveryNEpoch: 80 });
  await trainer.fit(task, data);
  wer = trainer.callbackMetrics.val_wer!;
}, 120_000);

describe("a recogniser trained from nothing", () => {
  it("learns, without a kernel on the slow path", () => {
    expect(wer).toBeLessThan(0.05);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("writes down one sound or many, with the seconds of words", async () => {
    const random = new Generator(7);
    const one = await task.predict(say(["low", "high"], random));
    expect(one.text).toBe("low high");
    const [low, high] = one.words;
    expect(low).toMatchObject({ word: "low" });
    expect(low!.start).toBeGreaterThanOrEqual(0);
    expect(low!.end).toBeGreaterThan(low!.start);
    expect(high!.start).toBeGreaterThan(low!.end);
    expect(high!.score).toBeGreaterThan(0.5);
    expect(high!.score).toBeLessThanOrEqual(1);
    const many = await task.predict([say(["mid"], random), say(["high", "high", "low", "mid"], random)]);
    expect(many.map(({ text }) => text)).toEqual(["mid", "high high low mid"]);
  });

  it("reports what it understands of a part, and the sounds that it misheard", async () => {
    const report = await task.report(data, { part: "val" });
    expect(report.count).toBe(16);
    expect(report.wer.rate).toBeCloseTo(wer, 6);
    const said = ["low high", "mid mid low"];
    const sounds = said.map((text) => say(text.split(" "), new Generator(3)));
    const options = {
      test: { files: sounds, transcripts: ["low high", "mid high"] },
      tokens: data.vocabulary,
    };
    const { wer: wrong, worst } = await task.report(await SpeechRecognitionData.fromFiles(options));
    // "mid mid low" beside "mid high": one word too many and one in the place of another, of four words.
    expect(wrong).toMatchObject({ rate: 0.5, insertions: 1, substitutions: 1, deletions: 0, length: 4 });
    expect(worst).toEqual([expect.objectContaining({ index: 1, reference: "mid high", audio: sounds[1] })]);
    await expect(task.report(data)).rejects.toThrow(code("ERR_PARTS"));
  });

  it("hears a sound alone as it does in a batch", async () => {
    const random = new Generator(8);
    const sounds = [say(["low"], random), say(["mid", "low", "high", "mid"], random)];
    const logits = (samples: Float32Array[], width: number): number[] =>
      tf.tidy(() => {
        const input = new Float32Array(samples.length * width);
        samples.forEach((sound, i) => input.set(sound, i * width));
        const lengths = Int32Array.from(samples, ({ length }) => length);
        task.eval();
        const { values } = task.forward({
          input: fromHost(new HostTensor(input, [samples.length, width])),
          length: fromHost(new HostTensor(lengths, [samples.length])),
        });
        return [...values.dataSync()];
      });
    const short = sounds[0]!.samples;
    const alone = logits([short], short.length);
    const padded = logits(
      sounds.map(({ samples }) => samples),
      sounds[1]!.samples.length + 1000,
    );
    alone.forEach((value, i) => expect(padded[i]).toBeCloseTo(value, 3));
  });

  it("joins long sounds without repeats or gaps, and streams", async () => {
    const random = new Generator(9);
    const words = randomWords(40, random);
    const sound = say(words, random);
    const long = await task.predict(sound, { chunkSeconds: 2, overlapSeconds: 1 });
    expect(long.text).toBe(words.join(" "));
    const starts = long.words.map(({ start }) => start);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    const stream = task.stream();
    const heard: string[] = [];
    let sawPartial = false;
    for (let at = 0; at < sound.samples.length; at += 1000) {
      const { words: certain, partial } = stream.push(sound.samples.subarray(at, at + 1000));
      heard.push(...certain.map(({ word }) => word));
      sawPartial ||= partial !== "";
    }
    heard.push(...stream.finish().map(({ word }) => word));
    expect(heard).toEqual(words);
    expect(sawPartial).toBe(true);
  });

  it("hears a minute of chunks as it does its pieces, and no more of it at a time than a window", async () => {
    const random = new Generator(12);
    const pieces = Array.from({ length: 60 }, () => say(randomWords(3, random), random));
    const expected = (await task.predict(pieces)).map(({ text }) => text).join(" ");
    const heard: number[] = [];
    const forward = vi.spyOn(task, "forward").mockImplementation((input) => {
      heard.push(input.input.size);
      return SpeechRecognizer.prototype.forward.call(task, input);
    });
    // Too loud beside speech to be silence for certain.
    const pause = (): Float32Array =>
      Float32Array.from({ length: 0.3 * RATE }, () => 0.003 * random.normal());
    const chunks = pieces.flatMap(({ samples }) => [samples, pause()]);
    const long = await task.predict({ chunks, sampleRate: RATE });
    forward.mockRestore();
    // One word of 180 at most: features are normalised over what is heard, and the noise around a piece is a part of that.
    expect(wordErrorRate([long.text], [expected]).rate).toBeLessThan(0.01);
    expect(heard.length).toBeGreaterThan(2);
    // Eight segments at a time, none of them half as long again as any that was trained on, padded by 19% at most.
    expect(Math.max(...heard)).toBeLessThanOrEqual(8 * 3 * RATE * 1.19);
  });

  it.each([0.3, 0.7, 2])(
    "hears what has %d s of silence between it exactly as piece by piece",
    async (pause) => {
      const random = new Generator(100 * pause);
      const pieces = Array.from({ length: 40 }, (_, i) => {
        const { samples } = say(randomWords(1 + random.integer(4), random), random);
        return samples.map((sample) => (i % 3 === 0 ? 0.1 : 1) * sample);
      });
      const silences = pieces.map(() => new Float32Array(pause * RATE + random.integer(1000)));
      const whole = Buffer.concat(
        pieces.flatMap((samples, i) => [silences[i]!, samples]).map(({ buffer }) => new Uint8Array(buffer)),
      );
      const samples = new Float32Array(new Uint8Array(whole).buffer);
      const chunks: Float32Array[] = [];
      for (let at = 0; at < samples.length; at += chunks.at(-1)!.length) {
        chunks.push(samples.slice(at, at + 1 + random.integer(5000)));
      }
      const long = await task.predict({ chunks, sampleRate: RATE });

      let offset = 0;
      const expected: RecognizedWord[] = [];
      const inPieces = await task.predict(pieces.map((samples) => ({ samples, sampleRate: RATE })));
      inPieces.forEach(({ words }, i) => {
        offset += silences[i]!.length / RATE;
        for (const word of words)
          expected.push({ ...word, start: offset + word.start, end: offset + word.end });
        offset += pieces[i]!.length / RATE;
      });
      expect(expected.length).toBeGreaterThan(60);
      expect(long.text).toBe(expected.map(({ word }) => word).join(" "));
      // Alone, a word does not reach out of its sound.
      long.words.forEach(({ start, end, score }, i) => {
        expect(score).toBeCloseTo(expected[i]!.score, 4);
        expect(Math.abs(start - expected[i]!.start)).toBeLessThan(0.04);
        expect(Math.abs(end - expected[i]!.end)).toBeLessThan(0.04);
      });
    },
  );

  it("takes fewer frames a second for words than for letters, unless it is told how many", () => {
    const letters = Vocabulary.fromTranscripts(["low"], "characters");
    const seconds = (options: SpeechRecognizerOptions) =>
      new SpeechRecognizer({ frontEnd, ...options }).secondsPerFrame;
    expect(seconds({ data })).toBeCloseTo(0.08, 10);
    expect(seconds({ vocabulary: letters })).toBeCloseTo(0.04, 10);
    expect(seconds({ data, encoderOptions: { subsampling: 4 } })).toBeCloseTo(0.04, 10);
    expect(() => seconds({ data, encoderOptions: { subsampling: 3 as 4 } })).toThrow(code("ERR_SUBSAMPLING"));
  });

  it("searches with a language model and hot words", async () => {
    const sound = say(["low", "mid"], new Generator(10));
    const languageModel = NGramLanguageModel.fromTexts(["low mid", "low mid", "high"]);
    expect((await task.predict(sound, { languageModel })).text).toBe("low mid");
    expect((await task.predict(sound, { hotWords: ["mid"], beamWidth: 8 })).text).toBe("low mid");
    await expect(task.predict(sound, { decoder: "greedy", beamWidth: 3 })).rejects.toThrow(
      code("ERR_DECODING_OPTION"),
    );
  });

  it("is the same after it was saved and loaded, and predicts without leaving tensors behind", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "kindling-speech-")), "tones.kindling");
    await task.save(path);
    const loaded = await SpeechRecognizer.load(path);
    const sound = say(["high", "low"], new Generator(11));
    expect(await loaded.predict(sound)).toEqual(await task.predict(sound));
    const before = tf.memory().numTensors;
    await loaded.predict(sound);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("hears nothing in silence, in noise bursts shorter than a frame, and in 0.05 s", async () => {
    const silence = { samples: new Float32Array(8000), sampleRate: RATE };
    const short = { samples: new Float32Array(400).fill(0.01), sampleRate: RATE };
    const single = { samples: Float32Array.of(0.5), sampleRate: RATE };
    const results = await task.predict([silence, short, single]);
    expect([results[0]!.text, results[2]!.text]).toEqual(["", ""]);
    const loud = say(["low"], new Generator(13)).samples.map((sample) => 1000 * sample);
    expect((await task.predict({ samples: loud, sampleRate: RATE })).text).toBe("low");
    for (const { words, text } of results) expect(text).toBe(words.map(({ word }) => word).join(" "));
    await expect(task.predict({ samples: Float32Array.of(NaN), sampleRate: RATE })).rejects.toThrow(
      code("ERR_AUDIO_NOT_FINITE"),
    );
  });
});

describe("the conformer", () => {
  it("takes a step, and its states do not depend on the padding", async () => {
    seedEverything(2);
    const encoderOptions = { channels: 4, dModel: 16, numHeads: 2, numLayers: 1, dropout: 0 };
    const conformer = new SpeechRecognizer({ data, frontEnd, encoder: "conformer", encoderOptions });
    await new Trainer({ ...quiet, maxSteps: 2 }).fit(conformer, data);
    const sound = say(["low"], new Generator(3));
    const longer = { samples: new Float32Array(12000), sampleRate: RATE };
    const [alone] = await conformer.predict([sound]);
    const [together] = await conformer.predict([sound, longer]);
    expect(together!.text).toBe(alone!.text);
  });
});

describe("a recogniser refuses", () => {
  it("to be made without a vocabulary, with an encoder that there is not, or for other data", async () => {
    expect(() => new SpeechRecognizer({})).toThrow(code("ERR_RECOGNIZER_OPTION"));
    expect(() => new SpeechRecognizer({ data, encoder: "gru" })).toThrow(code("ERR_UNKNOWN_ENCODER"));
    const vocabulary = new Vocabulary("words", ["low", "mid"]);
    expect(() => new SpeechRecognizer({ data, vocabulary })).toThrow(code("ERR_VOCABULARY"));
    await expect(task.predict("/nowhere/*.wav")).rejects.toThrow(code("ERR_NO_AUDIO"));
  });
});
