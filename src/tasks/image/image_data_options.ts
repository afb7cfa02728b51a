/** What an ImageClassificationData can be told. */
import type { BadSamplePolicy, DecodeLimits, ImageSource, ImageTransform } from "../../data/index.js";
import type { ImageTableOptions } from "./image_table.js";
import type { GivenTargets } from "../labeled_samples.js";
import type { ImageArrays } from "./image_sources.js";

/** Options of `ImageClassificationData`. */
export interface ImageClassificationDataOptions extends DecodeLimits {
  /**
   * Takes the `val` part from `train`: a fraction between 0 and 1 or a number of pictures. Every class keeps its share;
   * with multi-label, pictures are drawn regardless of their classes.
   */
  valSplit?: number;
  /** Likewise for `test`. Both are shares of the whole. */
  testSplit?: number;
  /** Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`. */
  seed?: number;
  /** Default: 32, or a quarter of the training part where that is less, but at least 4. */
  batchSize?: number;
  /** Leaves out a last training batch that is not full; default: where the part is larger than a batch. */
  dropLast?: boolean;
  /** The classes in the order of their ids; default: those of the training part, in natural order. */
  labels?: readonly string[];
  /** Random changes of training pictures, instead of those that the task brings. */
  trainTransforms?: readonly ImageTransform[];
  /**
   * What a picture that cannot be used does. `error` (the default): a `DataError` naming the file, before training
   * starts; only where the pictures are too many to be kept in memory, a file that is cut off behind its header is found
   * when it is decoded. `skip`: those that fail are left out before training starts, and listed in `skipped`.
   */
  onBadSample?: BadSamplePolicy;
  /** Memory for decoded pictures, in bytes; default 1 GiB. 0 decodes anew in every epoch. */
  cacheBytes?: number;
  /** Hears of each warning at once; all are kept in `warnings`. */
  onWarning?: (warning: string) => void;
}

/** For sources that can have several classes a picture. */
export interface MultiLabelOptions {
  /** A picture may show several classes, or none; default false. It is never guessed. */
  multiLabel?: boolean;
}

/** One picture, folder or pattern (such as `photos/*.jpg`), or a list of them. */
export type PredictImages = ImageSource | readonly ImageSource[];

/** Options of `ImageClassificationData.fromFolders`. */
export interface ImageFoldersOptions extends ImageClassificationDataOptions {
  /** A folder with one sub-folder a class. */
  train?: string;
  val?: string;
  test?: string;
  predict?: PredictImages;
}

/** Files and the labels of their pictures. */
export interface LabeledFiles {
  files: readonly ImageSource[];
  /** In the order of the files: one class each, or with `multiLabel` a list of classes each. */
  targets: GivenTargets;
}

/** Options of `ImageClassificationData.fromFiles`. */
export interface ImageFilesOptions extends ImageClassificationDataOptions, MultiLabelOptions {
  train?: LabeledFiles;
  val?: LabeledFiles;
  test?: LabeledFiles;
  predict?: PredictImages;
}

/** Pictures in memory and their labels. */
export interface LabeledArrays {
  images: ImageArrays;
  targets: GivenTargets;
}

/** Options of `ImageClassificationData.fromArrays`. */
export interface ImageArraysOptions extends ImageClassificationDataOptions, MultiLabelOptions {
  train?: LabeledArrays;
  val?: LabeledArrays;
  test?: LabeledArrays;
  predict?: ImageArrays;
}

/** Options of `ImageClassificationData.fromCsv`. */
export interface ImageTablesOptions
  extends ImageClassificationDataOptions, MultiLabelOptions, ImageTableOptions {
  /** CSV files with a header. */
  train?: string;
  val?: string;
  test?: string;
  /** Without a column of classes. */
  predict?: string;
}
