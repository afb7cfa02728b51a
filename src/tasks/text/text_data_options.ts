/** What a TextClassificationData can be told. */
import type { BadSamplePolicy } from "../../data/index.js";
import type { TableOptions } from "../../data/text/index.js";
import type { ClassificationDataOptions, MultiLabelOptions } from "../classification_data.js";
import type { LabelColumnOptions } from "../label_columns.js";
import type { GivenTargets } from "../labeled_samples.js";

/** Options of `TextClassificationData`. */
export type TextClassificationDataOptions = ClassificationDataOptions;

/** Texts and their classes. */
export interface LabeledTexts {
  texts: readonly string[];
  /** In the order of the texts: one class each, or with `multiLabel` a list of classes each. */
  targets: GivenTargets;
}

/** Options of `TextClassificationData.fromLists`. */
export interface TextListsOptions extends TextClassificationDataOptions, MultiLabelOptions {
  train?: LabeledTexts;
  val?: LabeledTexts;
  test?: LabeledTexts;
  predict?: readonly string[];
}

/** Options of `TextClassificationData.fromFolders`. */
export interface TextFoldersOptions extends TextClassificationDataOptions {
  /** A folder with one sub-folder a class, in which each `.txt` file is a text. */
  train?: string;
  val?: string;
  test?: string;
  /** The encoding of the files, as the WHATWG standard names it; default UTF-8, or UTF-16 by its byte order mark. */
  encoding?: string;
}

/** Which columns of a table hold what. */
export interface TextColumnOptions extends LabelColumnOptions {
  /** The column with the text; default `text`. */
  textColumn?: string;
  /**
   * What a row that cannot be used does. `error` (the default): a `DataError` that lists them with their numbers. `skip`:
   * they are left out and listed in `skipped`.
   */
  onBadSample?: BadSamplePolicy;
  /**
   * Tables larger than this, in bytes, stay on disk: where each row lies is remembered, and its text is read when it is
   * needed. They must be UTF-8, and no Parquet. Default: 1 GiB; 0 for all.
   */
  cacheBytes?: number;
}

/** The tables of the parts. */
export interface TextParts {
  train?: string;
  val?: string;
  test?: string;
  /** Without a column of classes. */
  predict?: string;
}

/** Options of `TextClassificationData.fromCsv` and `fromTsv`. */
export interface TextTablesOptions
  extends TextClassificationDataOptions, MultiLabelOptions, TextColumnOptions, TableOptions, TextParts {}

/** Options of `TextClassificationData.fromJsonl`. */
export interface TextJsonlOptions
  extends TextClassificationDataOptions, MultiLabelOptions, TextColumnOptions, TextParts {
  /** As the WHATWG standard names it; default UTF-8, or UTF-16 by its byte order mark. */
  encoding?: string;
}

/** Options of `TextClassificationData.fromParquet`. */
export interface TextParquetOptions
  extends TextClassificationDataOptions, MultiLabelOptions, TextColumnOptions, TextParts {}
