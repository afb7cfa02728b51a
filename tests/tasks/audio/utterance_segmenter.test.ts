/** What is heard of an utterance is the same, to the sample, alone as anywhere in a longer sound. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeAudio } from "../../../src/data/index.js";
import { Generator } from "../../../src/random.js";
import type { SpeechSegment } from "../../../src/tasks/audio/speech_segmenter.js";
import { longestPause, trimToSpeech } from "../../../src/tasks/audio/trim_to_speech.js";
import {
  UtteranceSegmenter,
  type UtteranceSegmenterOptions,
} from "../../../src/tasks/audio/utterance_segmenter.js";
import { describeShared } from "../../support/shared.js";

const RATE = 8000;
const FRAME = 320;
const MARGIN = 240;
const seconds = (count: number): number => Math.round(count * RATE);
const options: UtteranceSegmenterOptions = {
  sampleRate: RATE,
  frame: FRAME,
  shortest: seconds(0.3),
  longest: seconds(4),
  overlap: seconds(1),
  before: seconds(0.05),
  behind: seconds(0.1),
  pause: seconds(0.25),
  margin: MARGIN,
};

const silence = (length: number): Float32Array => new Float32Array(seconds(length));

function noise(length: number, loudness: number, random: Generator): Float32Array {
  return Float32Array.from({ length: seconds(length) }, () => loudness * random.normal());
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function segmentsOf(sound: Float32Array, pushed = () => sound.length, changes = {}): SpeechSegment[] {
  const segmenter = new UtteranceSegmenter({ ...options, ...changes });
  const segments: SpeechSegment[] = [];
  let at = 0;
  while (at < sound.length) {
    const end = at + pushed();
    segments.push(...segmenter.push(sound.slice(at, end)));
    at = end;
  }
  return [...segments, ...segmenter.flush()];
}

/** Two are equal only if all samples are. */
function digestOf({ samples, ...place }: SpeechSegment, origin = 0): object {
  const digest = createHash("sha1").update(new Uint8Array(samples.slice().buffer)).digest("hex");
  return { ...place, start: origin + place.start, length: samples.length, digest };
}

/** Words with short and long pauses between them, soft noise and clicks around them, and a loudness of their own. */
function piece(random: Generator): Float32Array {
  const loudness = [0.3, 0.03][random.integer(2)]!;
  const parts: Float32Array[] = [];
  const addSilence = (longest: number): void => {
    const softness = [0, 0.0005, 0.002][random.integer(3)]!;
    const length = random.uniform() * longest;
    parts.push(softness === 0 ? silence(length) : noise(length, softness * loudness, random));
  };
  addSilence(0.6);
  for (let words = 1 + random.integer(5); words > 0; words--) {
    parts.push(noise(0.1 + 0.4 * random.uniform(), loudness, random));
    addSilence(0.5);
    if (random.integer(4) === 0) parts.push(noise(0.01, 0.1 * loudness, random));
    addSilence(0.5);
  }
  return concatenate(parts);
}

/** @returns how many there are */
function expectSameWhenJoined(sounds: readonly Float32Array[], pause: number, random: Generator): number {
  const parts: Float32Array[] = [];
  const expected: object[] = [];
  let origin = 0;
  for (const sound of sounds) {
    const between = new Float32Array(seconds(pause) + random.integer(500));
    origin += between.length;
    for (const segment of segmentsOf(sound)) expected.push(digestOf(segment, origin));
    origin += sound.length;
    parts.push(between, sound);
  }
  const whole = concatenate(parts);
  const digests = (pushed?: () => number): object[] =>
    segmentsOf(whole, pushed).map((segment) => digestOf(segment));
  expect(digests()).toEqual(expected);
  expect(digests(() => 1 + random.integer(3000))).toEqual(expected);
  return expected.length;
}

describe("utterances that are joined with silence between them", () => {
  it.each([0.3, 0.35, 0.8, 3])("of %d s are those that they are alone, wherever they lie", (pause) => {
    const random = new Generator(pause * 100);
    const sounds = Array.from({ length: 20 }, () => piece(random));
    expect(expectSameWhenJoined(sounds, pause, random)).toBeGreaterThan(40);
  });

  describeShared("data/fsdd/recordings", (folder) => {
    it("are so where they were recorded with noise and clicks", async () => {
      const random = new Generator(1);
      const names = readdirSync(folder).filter((name) => /_[5-9].wav$/.test(name));
      const takes = await Promise.all(names.map((name) => decodeAudio(join(folder, name))));
      const sounds = takes.map(({ samples }, i) => {
        const gain = i % 3 === 0 ? 0.1 : 1;
        const second = takes[(i * 7) % takes.length]!.samples;
        return concatenate([samples, silence(0.15 * random.uniform()), second]).map((value) => gain * value);
      });
      const count = expectSameWhenJoined(sounds, 0.3, random);
      expect(count).toBeGreaterThanOrEqual(sounds.length);
      // A click or a noise on its own would be one more.
      expect(count).toBeLessThan(1.1 * sounds.length);
    });
  });
});

describe("an utterance", () => {
  const random = new Generator(0);
  const word = noise(0.5, 0.3, random);

  it("is heard as it is learnt: with as much silence as there was in training, recorded or not", () => {
    const before = noise(0.2, 0.0005, random);
    const behind = noise(0.01, 0.0005, random);
    const sound = concatenate([before, word, behind]);
    const [segment, ...others] = segmentsOf(sound);
    expect(others).toEqual([]);
    expect(segment!.samples).toEqual(trimToSpeech(sound, MARGIN));
    const loudest = Math.max(...sound.map(Math.abs));
    const start = sound.findIndex((sample) => Math.abs(sample) >= 0.01 * loudest);
    expect(segment).toMatchObject({ start: start - MARGIN, left: 0, frames: undefined, ends: true });
    expect(segment!.samples.subarray(0, MARGIN + 100)).toEqual(sound.subarray(start - MARGIN, start + 100));
    expect(segment!.samples.slice(-100)).toEqual(new Float32Array(100));
  });

  it("goes on after a shorter pause, and ends with a longer one", () => {
    const paused = (pause: number): Float32Array => concatenate([word, silence(pause), word]);
    expect(segmentsOf(paused(0.24))).toHaveLength(1);
    expect(segmentsOf(paused(0.26))).toHaveLength(2);
    expect(segmentsOf(paused(0.26), undefined, { pause: seconds(0.6) })).toHaveLength(1);
    expect(longestPause(paused(0.24))).toBe(seconds(0.24));
    expect(longestPause(concatenate([silence(1), word, silence(1)]))).toBeLessThan(20);
  });

  it("may be much softer than what was said before, or behind", () => {
    const soft = word.map((sample) => 0.03 * sample);
    for (const parts of [
      [soft, word],
      [word, soft],
    ]) {
      const [first, second] = segmentsOf(concatenate([parts[0]!, silence(0.3), parts[1]!]));
      expect([first!.samples, second!.samples]).toEqual(parts.map((part) => trimToSpeech(part, MARGIN)));
    }
  });

  it("is neither silence nor a click nor the noise of a pause, however long that lasts", () => {
    const hiss = noise(30, 0.0005, random);
    const click = noise(0.01, 0.1, random);
    const sound = concatenate([word, hiss, click, hiss, silence(1), word, hiss]);
    expect(segmentsOf(sound).map(({ samples }) => samples.length)).toEqual(
      [word, word].map((part) => trimToSpeech(part, MARGIN).length),
    );
    expect(segmentsOf(silence(20))).toEqual([]);
    expect(segmentsOf(new Float32Array(0))).toEqual([]);
    expect(segmentsOf(click)).toEqual([]);
  });

  it("that is too long to be heard at once is cut, and every sample of it is heard once", () => {
    const long = noise(13.1, 0.3, random);
    const sound = concatenate([word, silence(0.5), noise(1, 0.0005, random), long, silence(0.5), word]);
    const pieces = new Generator(2);
    const segments = segmentsOf(sound, () => 1 + pieces.integer(2000));
    const digests = (all: readonly SpeechSegment[]): object[] => all.map((segment) => digestOf(segment));
    expect(digests(segments)).toEqual(digests(segmentsOf(sound)));
    expect(segments.map(({ ends }) => ends)).toEqual([true, false, false, false, true, true]);
    const times = new Uint8Array(sound.length);
    for (const { samples, start, left, frames } of segments) {
      expect(samples.length).toBeLessThanOrEqual(seconds(6));
      const own = frames === undefined ? samples.length : (left + frames) * FRAME;
      for (let i = left * FRAME; i < own; i++) {
        const place = start - left * FRAME + i;
        if (place < 0 || place >= sound.length) continue;
        if (samples[i] === sound[place]) times[place]!++;
      }
    }
    expect(times.every((count, i) => (Math.abs(sound[i]!) > 0.02 ? count === 1 : count <= 1))).toBe(true);
  });

  it("is the whole sound for a recogniser that was trained elsewhere", () => {
    const sound = concatenate([silence(1), word, silence(1), word, silence(0.9)]);
    const [segment, ...others] = segmentsOf(sound, () => 999, { pause: Infinity });
    expect(others).toEqual([]);
    expect(segment).toEqual({ samples: sound, start: 0, left: 0, frames: undefined, ends: true });
  });
});
