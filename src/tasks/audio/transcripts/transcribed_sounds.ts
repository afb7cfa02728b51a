/** Sounds with what is said in them. */
import type { AudioSource } from "../../../data/index.js";
import type { Generator } from "../../../random.js";

/** One part of a data set, before it is read. */
export interface TranscribedSounds {
  sources: AudioSource[];
  /** In the order of the sources. */
  transcripts: string[];
}

/** A sound with what is said in it. */
export interface TranscribedSound {
  audio: AudioSource;
  transcript: string;
}

/** Sounds that are made or fetched when they are wanted, such as random mixtures. */
export interface TranscribedDataset {
  readonly length: number;
  /** @param random seeded from the seed, the epoch and the index */
  get(index: number, random: Generator): TranscribedSound | Promise<TranscribedSound>;
  /** About how long a sound is, in seconds, so that batches hold sounds of like length. Default: unknown. */
  duration?(index: number): number;
}
