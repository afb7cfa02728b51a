/** What an AudioClassificationData can be told. */
import type { AudioDecodeOptions, AudioSource, AudioTransform } from "../../data/index.js";
import type { MultiLabelOptions } from "../classification_data.js";
import type { DecodedDataOptions } from "../decoded_classification_data.js";
import type { FileTableOptions } from "../file_table.js";
import type { GivenTargets } from "../labeled_samples.js";

/** Options of `AudioClassificationData`. */
export interface AudioClassificationDataOptions
  extends DecodedDataOptions, MultiLabelOptions, Omit<AudioDecodeOptions, "sampleRate"> {
  /** Random changes of training sounds, instead of those that the task brings. */
  trainTransforms?: readonly AudioTransform[];
  /** Longer sounds cannot be used, in seconds. Default: 30. */
  maxSeconds?: number;
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
export interface AudioTablesOptions extends AudioClassificationDataOptions, FileTableOptions {
  /** CSV files with a header. */
  train?: string;
  val?: string;
  test?: string;
  /** The column with the sound's path or URL; default `audio`. */
  audioColumn?: string;
  predict?: AudioSource | readonly AudioSource[];
}
