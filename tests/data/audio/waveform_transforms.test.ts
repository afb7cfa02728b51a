/** Augmentations of waveforms, against the formulas that they are named after. */
import { describe, expect, it } from "vitest";
import {
  AddNoise,
  RandomGain,
  RandomSpeed,
  RoomResponse,
  type AudioTransform,
  type Waveform,
} from "../../../src/data/index.js";
import { convolve } from "../../../src/data/audio/features/fourier.js";
import { Generator } from "../../../src/random.js";

const RATE = 16000;
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

function tone(hz: number, seconds = 0.5): Waveform {
  const samples = Float32Array.from({ length: seconds * RATE }, (_, i) => {
    return 0.4 * Math.sin((2 * Math.PI * hz * i) / RATE);
  });
  return { samples, sampleRate: RATE };
}

function energy(samples: Float32Array): number {
  return samples.reduce((sum, value) => sum + value * value, 0);
}

/** Of the values' magnitudes. */
function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

const decibels = (ratio: number): number => 10 * Math.log10(ratio);

function draws<T>(count: number, draw: (random: Generator) => T): T[] {
  return Array.from({ length: count }, (_, seed) => draw(new Generator(seed)));
}

describe("RandomGain", () => {
  it("changes the loudness by decibels from the whole range, and clips nothing", () => {
    const { samples } = tone(440);
    const gains = draws(200, (random) => {
      const louder = new RandomGain({ minDecibels: -3, maxDecibels: 9 }).apply(tone(440), random).samples;
      const factor = louder[10]! / samples[10]!;
      expect(largest(louder.map((value, i) => value - factor * samples[i]!))).toBeLessThan(1e-5);
      return 20 * Math.log10(factor);
    });
    expect(Math.min(...gains)).toBeGreaterThanOrEqual(-3.001);
    expect(Math.min(...gains)).toBeLessThan(-2.5);
    expect(Math.max(...gains)).toBeLessThanOrEqual(9.001);
    expect(Math.max(...gains)).toBeGreaterThan(8.5);
  });
});

describe("RandomSpeed", () => {
  it.each([0.9, 0.95, 1.05, 1.1])("plays a tone %s times as fast and as high", (factor) => {
    const options = { minFactor: factor, maxFactor: factor };
    const { samples, sampleRate } = new RandomSpeed(options).apply(tone(500), new Generator(0));
    expect(sampleRate).toBe(RATE);
    expect(samples.length).toBe(Math.ceil((0.5 * RATE) / factor));
    const expected = tone(500 * factor, 1).samples;
    const middle = samples.subarray(500, -500);
    expect(largest(middle.map((value, i) => value - expected[500 + i]!))).toBeLessThan(1e-3);
  });

  it("draws each step of its range, and leaves a sound at its own speed alone", () => {
    const sound = tone(300, 0.1);
    const lengths = draws(60, (random) => new RandomSpeed().apply(sound, random).samples.length);
    expect(new Set(lengths)).toEqual(
      new Set([0.9, 0.95, 1, 1.05, 1.1].map((factor) => Math.ceil(1600 / factor))),
    );
    const same = new RandomSpeed({ minFactor: 1, maxFactor: 1 });
    expect(same.apply(sound, new Generator(0))).toBe(sound);
  });
});

describe("AddNoise", () => {
  const noiseOf = (transform: AddNoise, sound: Waveform, seed: number): Float32Array => {
    const { samples } = transform.apply(sound, new Generator(seed));
    return samples.map((value, i) => value - sound.samples[i]!);
  };

  it.each([-5, 0, 15, 30])("has the ratio of %s dB to the sound", (snr) => {
    const sound = tone(440);
    const noise = noiseOf(new AddNoise({ minSnr: snr, maxSnr: snr, probability: 1 }), sound, 1);
    expect(decibels(energy(sound.samples) / energy(noise))).toBeCloseTo(snr, 2);
  });

  it("is white unless recordings are given", () => {
    const noise = noiseOf(new AddNoise({ minSnr: 0, maxSnr: 0, probability: 1 }), tone(440, 2), 2);
    for (const lag of [1, 2, 7]) {
      const product = noise.reduce((sum, value, i) => sum + value * (noise[i + lag] ?? 0), 0);
      expect(Math.abs(product / energy(noise))).toBeLessThan(4 / Math.sqrt(noise.length));
    }
  });

  it("goes round and round in a recording from a random place", () => {
    const recording = Float32Array.of(0.1, -0.3, 0.2, 0.7);
    const transform = new AddNoise({ minSnr: 0, maxSnr: 0, probability: 1 }, [recording]);
    const noise = noiseOf(transform, tone(440), 3);
    const starts = draws(30, (random) => {
      const { samples } = transform.apply(tone(440), random);
      const found = samples.subarray(0, 4).map((value, i) => value - tone(440).samples[i]!);
      return found.findIndex((value) => value === Math.max(...found));
    });
    expect(new Set(starts).size).toBe(4);
    expect(largest(noise.subarray(4).map((value, i) => value - noise[i]!))).toBeLessThan(1e-5);
  });

  it("leaves digital silence alone, whose ratio to noise there is not", () => {
    const silence = { samples: new Float32Array(100), sampleRate: RATE };
    expect(new AddNoise({ probability: 1 }).apply(silence, new Generator(0))).toBe(silence);
  });
});

describe("RoomResponse", () => {
  it.each([
    [1, 1],
    [5, 9],
    [1000, 37],
    [513, 1024],
  ])("convolves %d samples with a response of %d", (length, taps) => {
    const random = new Generator(1);
    const draw = (count: number) => Float32Array.from({ length: count }, () => random.normal());
    const [signal, response] = [draw(length), draw(taps)];
    const expected = signal.map((_, n) => {
      let sum = 0;
      for (let k = 0; k < Math.min(taps, n + 1); k++) sum += response[k]! * signal[n - k]!;
      return sum;
    });
    const actual = convolve(signal, response);
    expect(actual.length).toBe(length);
    expect(largest(expected.map((value, i) => value - actual[i]!))).toBeLessThan(1e-4);
    const room = new RoomResponse({ probability: 1 }, [response]);
    expect(room.apply({ samples: signal, sampleRate: RATE }, new Generator(0)).samples).toEqual(actual);
  });

  it("has an echo of the loudness and the time that were asked for", () => {
    const seconds = 0.3;
    const options = { minSeconds: seconds, maxSeconds: seconds, reverberantDecibels: -6, probability: 1 };
    const impulse = { samples: new Float32Array(RATE), sampleRate: RATE };
    impulse.samples[0] = 1;
    const response = new RoomResponse(options).apply(impulse, new Generator(4)).samples;
    expect(response[0]).toBeCloseTo(1, 5);
    const echo = response.subarray(1);
    expect(decibels(energy(echo))).toBeCloseTo(-6, 1);
    // Schroeder, "New method of measuring reverberation time" (1965): the energy that is still to come, from -5 to -25 dB.
    const total = energy(echo);
    const place = (level: number): number => {
      let [left, i] = [total, 0];
      while (decibels(left / total) > level) left -= echo[i++]! ** 2;
      return i / RATE;
    };
    expect(3 * (place(-25) - place(-5))).toBeGreaterThan(0.9 * seconds);
    expect(3 * (place(-25) - place(-5))).toBeLessThan(1.1 * seconds);
  });
});

describe("all of them", () => {
  const always: AudioTransform[] = [
    new RandomGain(),
    new RandomSpeed({ minFactor: 0.9, maxFactor: 0.95 }),
    new AddNoise({ probability: 1 }),
    new RoomResponse({ probability: 1 }),
  ];

  it.each(always.map((transform) => [transform.name, transform] as const))(
    "%s changes a sound as its seed says, and never the one that was given",
    (_name, transform) => {
      const sound = tone(440, 0.1);
      const before = sound.samples.slice();
      const once = transform.apply(sound, new Generator(7)).samples;
      expect(transform.apply(sound, new Generator(7)).samples).toEqual(once);
      expect(transform.apply(sound, new Generator(8)).samples).not.toEqual(once);
      expect(sound.samples).toEqual(before);
      expect(once.every(Number.isFinite)).toBe(true);
      expect(transform.apply({ samples: new Float32Array(1), sampleRate: RATE }, new Generator(1)).samples.length).toBeGreaterThan(0); // prettier-ignore
    },
  );

  it("happen as often as they were told to", () => {
    const sound = tone(440, 0.01);
    for (const make of [AddNoise, RoomResponse]) {
      for (const probability of [0, 0.3, 1]) {
        const transform = new make({ probability });
        const changed = draws(300, (random) => transform.apply(sound, random).samples !== sound.samples);
        expect(changed.filter(Boolean).length / 300).toBeCloseTo(probability, 1);
      }
    }
  });

  it.each([
    ["a range from high to low", () => new RandomGain({ minDecibels: 3, maxDecibels: -3 })],
    ["a speed of nothing", () => new RandomSpeed({ minFactor: 0 })],
    ["a probability of 2", () => new AddNoise({ probability: 2 })],
    ["an echo of no time", () => new RoomResponse({ minSeconds: 0 })],
    ["a ratio that is no number", () => new AddNoise({ minSnr: NaN })],
  ])("refuse %s", (_name, make) => {
    expect(make).toThrow(code("ERR_AUDIO_TRANSFORM"));
  });
});
