/** The Free Spoken Digit Dataset: single takes, and takes of one speaker joined to utterances. */
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { decodeAudio, Generator, type TranscribedDataset, type TranscribedSound } from "kindling";

const RECORDINGS = resolve(import.meta.dirname, "../../shared/data/fsdd/recordings");

/** In Hz. */
export const SAMPLE_RATE = 8000;
/** What the digits are called, as a vocabulary of words. */
export const DIGITS = [
  "zero",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
] as const;
export const LONGEST_UTTERANCE = 7;
const LONGEST_PAUSE_SECONDS = 0.15;
const TEST_TAKES = 5;

/** One recording of one digit. */
export interface Take {
  path: string;
  digit: number;
  speaker: string;
  take: number;
  samples: Float32Array;
}

export async function loadTakes(): Promise<Take[]> {
  const names = readdirSync(RECORDINGS).filter((name) => name.endsWith(".wav"));
  return Promise.all(
    names.sort().map(async (name) => {
      const path = join(RECORDINGS, name);
      const [digit, speaker, take] = name.replace(".wav", "").split("_") as [string, string, string];
      const { samples } = await decodeAudio(path);
      return { path, digit: Number(digit), speaker, take: Number(take), samples };
    }),
  );
}

/** The first five takes of each speaker and digit, as the data set's authors have it. */
export const isTestTake = ({ take }: Take): boolean => take < TEST_TAKES;

/** 1 to 7 takes of one speaker with pauses of 0 to 150 ms between them. */
export function joinTakes(takes: readonly Take[], count: number, random: Generator): TranscribedSound {
  const speakers = [...new Set(takes.map(({ speaker }) => speaker))];
  const speaker = speakers[random.integer(speakers.length)]!;
  const own = takes.filter((take) => take.speaker === speaker);
  const chosen = Array.from({ length: count }, () => own[random.integer(own.length)]!);
  const longestPause = Math.round(LONGEST_PAUSE_SECONDS * SAMPLE_RATE);
  const parts = chosen.flatMap(({ samples }, i) =>
    i === 0 ? [samples] : [new Float32Array(random.integer(longestPause + 1)), samples],
  );
  const samples = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  const transcript = chosen.map(({ digit }) => DIGITS[digit]!).join(" ");
  return { audio: { samples, sampleRate: SAMPLE_RATE }, transcript };
}

/** As many utterances as are asked for, other ones in each epoch. */
export class JoinedDigits implements TranscribedDataset {
  readonly length: number;
  readonly #takes: readonly Take[];

  constructor(takes: readonly Take[], length: number) {
    this.#takes = takes;
    this.length = length;
  }

  get(index: number, random: Generator): TranscribedSound {
    return joinTakes(this.#takes, this.#count(index), random);
  }

  duration(index: number): number {
    return this.#count(index) * 0.5;
  }

  #count(index: number): number {
    return 1 + (index % LONGEST_UTTERANCE);
  }
}

/** The same utterances each time. */
export function testUtterances(takes: readonly Take[], count: number, seed: number): TranscribedSound[] {
  const random = new Generator(seed);
  return Array.from({ length: count }, () => joinTakes(takes, 1 + random.integer(LONGEST_UTTERANCE), random));
}
