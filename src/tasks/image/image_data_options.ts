/** What an ImageClassificationData can be told. */
import type { BadSamplePolicy, DecodeLimits, ImageSource, ImageTransform } from "../../data/index.js";
import type { MultiLabelOptions } from "../classification_data.js";
import type { DecodedDataOptions } from "../decoded_classification_data.js";
import type { FileTableOptions } from "../file_table.js";
import type { GivenTargets } from "../labeled_samples.js";
import type { ImageArrays } from "./image_sources.js";

/** Options of `ImageClassificationData`. */
export interface ImageClassificationDataOptions extends DecodedDataOptions, DecodeLimits {
  /** Random changes of training pictures, instead of those that the task brings. */
  trainTransforms?: readonly ImageTransform[];
  /**
   * What a picture that cannot be used does. `error` (the default): a `DataError` naming the file, before training
   * starts; only where the pictures are too many to be kept in memory, a file that is cut off behind its header is found
   * when it is decoded. `skip`: those that fail are left out before training starts, and listed in `skipped`.
   */
  onBadSample?: BadSamplePolicy;
}

/** How a table of pictures is to be read. */
export interface ImageTableOptions extends FileTableOptions {
  /** The column with the picture's path or URL; default `image`. */
  imageColumn?: string;
}

/** One picture, folder or pattern (such as `photos/*.jpg`), or a list of them. */
export type PredictImages = ImageSource | readonly ImageSource[];

export type { MultiLabelOptions };

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
