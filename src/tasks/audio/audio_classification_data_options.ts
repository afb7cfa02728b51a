/** What an AudioClassificationData can be told. */
import type { AudioDecodeOptions, AudioSource, AudioTransform, BadSamplePolicy } from "../../data/index.js";
import type { LabelColumnOptions } from "../label_columns.js";
import type { GivenTargets } from "../labeled_samples.js";

/** Options of `AudioClassificationData`. */
export interface AudioClassificationDataOptions extends Omit<AudioDecodeOptions, "sampleRate"> {
  /** Takes the `val` part from `train`: a fraction between 0 and 1 or a number of sounds. Every class keeps its share. */
  valSplit?: number;
  /** Likewise for `test`. Both are shares of the whole. */
  testSplit?: number;
  /** Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`. */
  seed?: number;
  /** Default: 32, or a quarter of the training part where that is less, but at least 4. */
  batchSize?: number;
  /** The classes in the order of their ids; default: those of the training part, in natural order. */
  labels?: readonly string[];
  /** A sound may be of several classes, or of none; default false. It is never guessed. */
  multiLabel?: boolean;
  /** Random changes of training sounds, instead of those that the task brings. */
  trainTransforms?: readonly AudioTransform[];
  /** Longer sounds cannot be used, in seconds. Default: 30. */
  maxSeconds?: number;
  /**
   * What a sound that cannot be used does. `error` (the default): a `DataError` that lists them, before training starts.
   * `skip`: they are left out, and listed in `skipped`.
   */
  onBadSample?: BadSamplePolicy;
  /** Memory for decoded sounds, in bytes; default 1 GiB. 0 decodes anew in every epoch. */
  cacheBytes?: number;
  /** Hears of each warning at once; all are kept in `warnings`. */
  onWarning?: (warning: string) => void;
}

/** Options of `AudioClassificationData.fromFolders`. */
export interface AudioFoldersOptions extends Omit<AudioClassificationDataOptions, "multiLabel"> {
  /** A folder with one sub-folder a class. */
  train?: string;
  val?: string;
  test?: string;
  predict?: AudioSource | readonly AudioSource[];
}

/** Files (or URLs, Buffers, samples) and their classes. */
export interface LabeledSounds {
  files: readonly AudioSource[];
  /** In the order of the files: one class each, or with `multiLabel` a list of classes each. */
  targets: GivenTargets;
}

/** Options of `AudioClassificationData.fromFiles`. */
export interface AudioFilesOptions extends AudioClassificationDataOptions {
  train?: LabeledSounds;
  val?: LabeledSounds;
  test?: LabeledSounds;
  predict?: AudioSource | readonly AudioSource[];
}

/** Options of `AudioClassificationData.fromCsv`. */
export interface AudioTablesOptions extends AudioClassificationDataOptions, LabelColumnOptions {
  /** CSV files with a header. */
  train?: string;
  val?: string;
  test?: string;
  /** The column with the sound's path or URL; default `audio`. */
  audioColumn?: string;
  /** The folder that relative paths start from; default: the table's own. */
  root?: string;
  /** What stands between two columns; default a tab in files that end in `.tsv`, else a comma. */
  delimiter?: string;
  predict?: AudioSource | readonly AudioSource[];
}
