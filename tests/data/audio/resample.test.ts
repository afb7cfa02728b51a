/** Resampling: tones keep their pitch, phase and loudness, and what cannot be represented is gone. */
import { describe, expect, it } from "vitest";
import { resample, Resampler } from "../../../src/data/index.js";

const EDGE = 2000;

function tone(hz: number, rate: number, seconds = 1): Float32Array {
  return Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
}

/** In decibels against a full tone, away from the ends. */
function level(samples: Float32Array, expected?: Float32Array): number {
  let sum = 0;
  for (let i = EDGE; i < samples.length - EDGE; i++) sum += (samples[i]! - (expected?.[i] ?? 0)) ** 2;
  return 10 * Math.log10((2 * sum) / (samples.length - 2 * EDGE));
}

describe.each([
  [44100, 16000],
  [48000, 16000],
  [22050, 16000],
  [11025, 16000],
  [8000, 16000],
  [16000, 8000],
])("%d Hz to %d Hz", (from, to) => {
  const band = Math.min(from, to) / 2;

  it("leaves tones in the band as they are: errors 100 dB down", () => {
    for (const share of [0.05, 0.3, 0.6, 0.89]) {
      const result = resample(tone(share * band, from), from, to);
      expect(result.length).toBe(to);
      expect(level(result, tone(share * band, to))).toBeLessThan(-100);
    }
  });

  it.skipIf(from < to)(`has aliases 100 dB down${from < to ? " (there are none on the way up)" : ""}`, () => {
    for (const share of [1.001, 1.05, 1.2, 1.5, 1.9]) {
      if (share * band >= from / 2) continue;
      expect(level(resample(tone(share * band, from), from, to))).toBeLessThan(-100);
    }
  });
});

describe("Resampler", () => {
  it("gives the same piece by piece", () => {
    const signal = tone(440, 44100, 0.5);
    const whole = resample(signal, 44100, 16000);
    for (const size of [1, 100, 5000]) {
      const resampler = new Resampler(44100, 16000);
      const pieces: number[] = [];
      for (let at = 0; at < signal.length; at += size) {
        pieces.push(...resampler.push(signal.subarray(at, at + size)));
      }
      pieces.push(...resampler.flush());
      expect(Float32Array.from(pieces)).toEqual(whole);
    }
  });

  it("passes a constant, and the shortest sounds", () => {
    const ones = resample(new Float32Array(3000).fill(1), 44100, 16000);
    for (const value of ones.slice(300, -300)) expect(value).toBeCloseTo(1, 5);
    expect([0, 1, 2, 7].map((length) => resample(new Float32Array(length), 44100, 16000).length)).toEqual([
      0, 1, 1, 3,
    ]);
    const same = Float32Array.of(1, 2);
    expect(resample(same, 8000, 8000)).toBe(same);
  });

  it("refuses rates that are none", () => {
    for (const rate of [0, -1, 1.5, NaN, 2e6]) {
      expect(() => new Resampler(rate, 16000)).toThrow(expect.objectContaining({ code: "ERR_SAMPLE_RATE" }));
    }
  });
});

describe("a filter that needs not be as good", () => {
  const options = { stopbandDecibels: 60, passband: 0.8 };

  it("has aliases as far down as it is told, and passes what it promises", () => {
    const [from, to] = [16000, 8000];
    expect(level(resample(tone(0.79 * 4000, from), from, to, options), tone(0.79 * 4000, to))).toBeLessThan(
      -55,
    );
    const alias = level(resample(tone(1.05 * 4000, from), from, to, options));
    expect(alias).toBeLessThan(-55);
    expect(alias).toBeGreaterThan(-100);
  });

  it.each([{ stopbandDecibels: 20 }, { stopbandDecibels: NaN }, { passband: 1 }, { passband: 0 }])(
    "is refused with %o",
    (bad) => {
      expect(() => resample(new Float32Array(8), 16000, 8000, bad)).toThrow(
        expect.objectContaining({ code: "ERR_RESAMPLE_OPTION" }) as Error,
      );
    },
  );
});
