/** A language of tones, which is learnt in seconds: `low`, `mid` and `high`. */
import { Generator } from "../../../src/random.js";
import type { AudioSamples } from "../../../src/data/index.js";

export const RATE = 8000;
export const TONES: Readonly<Record<string, number>> = { low: 300, mid: 800, high: 1700 };
export const NAMES = Object.keys(TONES);

/** Words of 0.15 to 0.2 s with pauses between them, on a little noise. */
export function say(words: readonly string[], random: Generator): AudioSamples & { samples: Float32Array } {
  const values: number[] = [];
  const noise = () => 0.003 * random.normal();
  const pause = (length: number) => {
    for (let i = 0; i < length; i++) values.push(noise());
  };
  pause(400);
  for (const word of words) {
    const length = 1200 + random.integer(400);
    for (let i = 0; i < length; i++) {
      const swell = Math.min(1, i / 100, (length - i) / 100);
      values.push(0.3 * swell * Math.sin((2 * Math.PI * TONES[word]! * i) / RATE) + noise());
    }
    pause(500 + random.integer(400));
  }
  return { samples: Float32Array.from(values), sampleRate: RATE };
}

export function randomWords(count: number, random: Generator): string[] {
  return Array.from({ length: count }, () => NAMES[random.integer(NAMES.length)]!);
}

/** Sounds of 1 to 4 words with their transcripts. */
export function spoken(count: number, seed: number): { files: AudioSamples[]; transcripts: string[] } {
  const random = new Generator(seed);
  const texts = Array.from({ length: count }, () => randomWords(1 + random.integer(4), random));
  return {
    files: texts.map((words) => say(words, random)),
    transcripts: texts.map((words) => words.join(" ")),
  };
}

/** Sounds of one word each. */
export function single(count: number, seed: number): { files: AudioSamples[]; targets: string[] } {
  const random = new Generator(seed);
  const targets = Array.from({ length: count }, (_, i) => NAMES[i % NAMES.length]!);
  return { files: targets.map((word) => say([word], random)), targets };
}
