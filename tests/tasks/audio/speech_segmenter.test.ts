/** Where long sounds are cut: every sample of speech is heard once, and pauses are passed over. */
import { describe, expect, it } from "vitest";
import { Generator } from "../../../src/random.js";
import { SpeechSegmenter, type SpeechSegment } from "../../../src/tasks/audio/speech_segmenter.js";
import { rememberSounds } from "../../../src/tasks/audio/trained_sounds.js";

const RATE = 8000;
const FRAME = 320;
const seconds = (count: number): number => Math.round(count * RATE);
const options = {
  sampleRate: RATE,
  frame: FRAME,
  shortest: seconds(0.3),
  longest: seconds(4),
  overlap: seconds(1),
  before: seconds(0.05),
  behind: seconds(0.1),
};

const random = new Generator(0);
const loud = (length: number): Float32Array =>
  Float32Array.from({ length: seconds(length) }, () => 0.3 * random.normal());
const quiet = (length: number): Float32Array =>
  Float32Array.from({ length: seconds(length) }, () => 0.001 * random.normal());

function concatenate(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

function segmentsOf(sound: Float32Array, pushed = sound.length): SpeechSegment[] {
  const segmenter = new SpeechSegmenter(options);
  const out: SpeechSegment[] = [];
  for (let at = 0; at < sound.length; at += pushed)
    out.push(...segmenter.push(sound.subarray(at, at + pushed)));
  return [...out, ...segmenter.flush()];
}

/** What of a segment is its own, without what it hears for the context. */
function ownSamples({ samples, left, frames }: SpeechSegment): Float32Array {
  return samples.subarray(left * FRAME, frames === undefined ? samples.length : (left + frames) * FRAME);
}

/** How often each sample of a sound is some segment's own. */
function timesHeard(sound: Float32Array, segments: readonly SpeechSegment[]): Uint8Array {
  const times = new Uint8Array(sound.length);
  for (const segment of segments) {
    const own = ownSamples(segment);
    const expected = sound.subarray(segment.start, segment.start + own.length);
    expect(own.length === expected.length && own.every((value, i) => value === expected[i])).toBe(true);
    for (let i = 0; i < own.length; i++) times[segment.start + i]!++;
  }
  return times;
}

describe("a sound with pauses", () => {
  const spoken = [loud(1.3), loud(0.5), loud(2.7), loud(3.1), loud(0.9)];
  const pauses = [quiet(0.3), quiet(0.6), quiet(12), quiet(0.4), quiet(2)];
  const sound = concatenate([quiet(1.5), ...spoken.flatMap((part, i) => [part, pauses[i]!])]);
  const segments = segmentsOf(sound);

  it("is cut into what was said between them, with as much silence as there was in training", () => {
    expect(segments.map(({ ends }) => ends)).toEqual(spoken.map(() => true));
    segments.forEach(({ samples }, i) => {
      // Loudness is measured in steps of 0.02 s.
      expect(Math.abs(samples.length - spoken[i]!.length - seconds(0.15))).toBeLessThanOrEqual(seconds(0.05));
    });
  });

  it("is heard once, except for silence", () => {
    const times = timesHeard(sound, segments);
    expect(times.every((count, i) => (Math.abs(sound[i]!) > 0.02 ? count === 1 : count <= 1))).toBe(true);
  });

  it("is cut in the same places when it comes in small pieces", () => {
    const places = (all: readonly SpeechSegment[]): number[][] =>
      all.map(({ start, samples }) => [start, samples.length]);
    expect(places(segmentsOf(sound, 777))).toEqual(places(segments));
  });
});

describe("a sound without long pauses", () => {
  it("is cut at the longest short one where a segment would become too long", () => {
    const sound = concatenate([loud(1), quiet(0.12), loud(1.5), quiet(0.2), loud(1), quiet(0.12), loud(3)]);
    const [first, second] = segmentsOf(sound);
    expect(first!.ends).toBe(true);
    expect(Math.abs(first!.samples.length - seconds(2.72))).toBeLessThanOrEqual(seconds(0.04));
    expect(second!.left).toBe(0);
  });

  it("is heard in overlapping windows that are joined without repeats or gaps where there is none", () => {
    const sound = loud(13.1);
    const segments = segmentsOf(sound, 1000);
    expect(segments.map(({ ends }) => ends)).toEqual([false, false, false, true]);
    expect(segments.map(({ left }) => left)).toEqual([0, 25, 25, 25]);
    for (const { samples } of segments) expect(samples.length).toBeLessThanOrEqual(seconds(6));
    expect(timesHeard(sound, segments).every((times) => times === 1)).toBe(true);
  });
});

it("nothing is heard of silence", () => {
  expect(segmentsOf(new Float32Array(seconds(20)))).toEqual([]);
});

it("remembers how long sounds were, and how much silence was around speech", () => {
  const sounds = [[quiet(0.2), loud(1), quiet(0.4)], [quiet(0.1), loud(2), quiet(0.2)], [loud(0.5)]];
  const first = rememberSounds(undefined, sounds.slice(0, 2).map(concatenate), RATE);
  const trained = rememberSounds(first, [concatenate(sounds[2]!)], RATE);
  expect(trained).toMatchObject({ shortest: 0.5, longest: 2.3, measured: 3 });
  expect(trained.before).toBeCloseTo(0.1, 1);
  expect(trained.behind).toBeCloseTo(0.2, 1);
  const paused = concatenate([loud(0.5), quiet(0.4), loud(0.5)]);
  expect(rememberSounds(undefined, [paused, concatenate(sounds[2]!)], RATE).pause).toBeCloseTo(0.2, 1);
  // Of an older file, which does not know of pauses.
  const { pause: _pause, ...older } = trained;
  expect(rememberSounds(older, [paused], RATE)).toEqual(rememberSounds(undefined, [paused], RATE));
});
