/** What a SpeechRecognitionData can be told. */
import type { AudioDecodeOptions, AudioSource, AudioTransform, BadSamplePolicy } from "../../data/index.js";
import type { TextNormalization } from "./transcripts/normalize.js";
import type { TranscriptTableOptions } from "./transcripts/tables.js";
import type { TranscribedDataset } from "./transcripts/transcribed_sounds.js";
import type { TokenUnit, Vocabulary } from "./transcripts/vocabulary.js";

/** Options of `SpeechRecognitionData`. */
export interface SpeechRecognitionDataOptions extends Omit<AudioDecodeOptions, "sampleRate"> {
  /** Takes the `val` part from `train`: a fraction between 0 and 1 or a number of sounds. */
  valSplit?: number;
  /** Likewise for `test`. Both are shares of the whole. */
  testSplit?: number;
  /** Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`. */
  seed?: number;
  /** Default: 16, or a quarter of the training part where that is less, but at least 2. */
  batchSize?: number;
  /**
   * `characters` or `words` that occur in the training part, or a vocabulary that is given. Default: `characters`.
   */
  tokens?: TokenUnit | Vocabulary;
  /** How transcripts are normalised, or a function that does it. Default: see `TextNormalization`. */
  normalize?: TextNormalization | ((transcript: string) => string);
  /** Random changes of training sounds, instead of those that the task brings. */
  trainTransforms?: readonly AudioTransform[];
  /** Shorter sounds cannot be used, in seconds. Default: 0.05. */
  minSeconds?: number;
  /** Longer sounds cannot be used, in seconds. Default: 30. */
  maxSeconds?: number;
  /**
   * What a sound or transcript that cannot be used does. `error` (the default): a `DataError` that lists them, before
   * training starts. `skip`: they are left out, and listed in `skipped`.
   */
  onBadSample?: BadSamplePolicy;
  /** Memory for decoded sounds, in bytes; default 1 GiB. 0 decodes anew in every epoch. */
  cacheBytes?: number;
  /** Hears of each warning at once; all are kept in `warnings`. */
  onWarning?: (warning: string) => void;
}

/** Sounds to predict: one, a folder, a pattern, or a list. */
export type PredictSounds = AudioSource | readonly AudioSource[];

/** Files and their transcripts. */
export interface TranscribedFiles {
  files: readonly AudioSource[];
  /** In the order of the files. */
  transcripts: readonly string[];
}

/** Options of `SpeechRecognitionData.fromFiles`. */
export interface SpeechFilesOptions extends SpeechRecognitionDataOptions {
  train?: TranscribedFiles;
  val?: TranscribedFiles;
  test?: TranscribedFiles;
  predict?: PredictSounds;
}

/** Options of `SpeechRecognitionData.fromCsv` and `fromJsonl`. */
export interface SpeechTablesOptions extends SpeechRecognitionDataOptions, TranscriptTableOptions {
  /** Paths of tables. */
  train?: string;
  val?: string;
  test?: string;
  predict?: PredictSounds;
}

/** Options of `SpeechRecognitionData.fromFolders`. */
export interface SpeechFoldersOptions extends SpeechRecognitionDataOptions {
  /** A folder of sounds with texts beside them, or as LibriSpeech is laid out. */
  train?: string;
  val?: string;
  test?: string;
  predict?: PredictSounds;
}

/** Options of `SpeechRecognitionData.fromCommonVoice`. */
export interface CommonVoiceOptions extends SpeechRecognitionDataOptions {
  /** The folder of one language: `train.tsv`, `dev.tsv`, `test.tsv` and `clips/`. */
  folder: string;
}

/** Options of `SpeechRecognitionData.fromTranscribedDatasets`. */
export interface SpeechDatasetsOptions extends Omit<SpeechRecognitionDataOptions, "valSplit" | "testSplit"> {
  train?: TranscribedDataset;
  val?: TranscribedDataset;
  test?: TranscribedDataset;
  /** Must be given: what such data say is known only when they are asked. */
  tokens: Vocabulary;
}
