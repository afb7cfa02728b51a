/** The data of a text classifier: its parts, classes and loaders, from tables, folders or lists. */
import type { TextPreprocessor } from "../../backbones/text/text_preprocessor.js";
import { LengthGroupedSampler, type ClassificationTarget } from "../../data/index.js";
import { textOf, type TableFormat, type TextSource } from "../../data/text/index.js";
import { ConfigurationError, DataError } from "../../errors.js";
import { Generator as RandomGenerator, getGlobalSeed } from "../../random.js";
import { ClassificationData, type MultiLabelOptions, type SampleKind } from "../classification_data.js";
import {
  collectFolders,
  collectTables,
  type CollectedParts,
  type DataPart,
  type SkippedSample,
} from "../collect_parts.js";
import { collectParts, LABELED_PARTS, labelSamples } from "../labeled_samples.js";
import type {
  LabeledTexts,
  TextClassificationDataOptions,
  TextColumnOptions,
  TextFoldersOptions,
  TextJsonlOptions,
  TextListsOptions,
  TextParquetOptions,
  TextParts,
  TextTablesOptions,
} from "./text_data_options.js";
import { TextDataset, type TextBatch, type TextSample } from "./text_dataset.js";
import { readTextFiles, TEXT_FILES } from "./text_files.js";
import { readTextTable, TEXTS } from "./text_table.js";

export type * from "./text_data_options.js";
export type { TextBatch };

/** The parts of a data set. */
export type TextPart = DataPart;

/** A file or row that was left out, and why. */
export type SkippedText = SkippedSample;

/** A text with its class; with several, `target` lists them with commas. */
export interface TextRecord {
  text: string;
  target: string;
  classes: readonly string[];
}

/** Texts of a part that were too long for the backbone, and the tokens or n-grams left out of them. */
export interface TruncatedTexts {
  texts: number;
  tokens: number;
}

const KIND: SampleKind<TextSource> = { noun: TEXTS, batchSize: 64 };

/**
 * Classes are read off the training part; how texts become numbers comes from the task, through `attachPreprocessing`.
 * Batches hold texts of about the same length, padded to the longest of them.
 */
export class TextClassificationData extends ClassificationData<
  TextSource,
  TextSample,
  TextBatch,
  TextDataset
> {
  /** By part, as far as its texts have been read. */
  readonly truncated: Partial<Record<TextPart, TruncatedTexts>> = {};
  readonly #seed: number | undefined;
  #preprocessor: TextPreprocessor | undefined;

  private constructor(
    collected: CollectedParts<TextSource>,
    options: TextClassificationDataOptions & MultiLabelOptions,
    labels?: readonly string[],
  ) {
    super(KIND, collected, options, labels);
    this.#seed = options.seed;
  }

  /**
   * Texts in memory with a list of their classes.
   *
   * @throws ConfigurationError `ERR_TARGETS`, `ERR_MULTI_LABEL`, `ERR_UNKNOWN_CLASS`, `ERR_PARTS`, `ERR_SPLIT`
   * @throws DataError `ERR_NO_TEXTS`, `ERR_TEXT` for something that is no string
   */
  static async fromLists(options: TextListsOptions): Promise<TextClassificationData> {
    const { multiLabel = false, labels } = options;
    const parts = collectParts<LabeledTexts, TextSource>(options, (part, { texts, targets }) => {
      checkTexts(part, texts);
      const rules = { multiLabel, labels, noun: TEXTS };
      return labelSamples<TextSource>(part, texts, targets, rules);
    });
    if (options.predict !== undefined) checkTexts("predict", options.predict);
    return new TextClassificationData({ parts, predict: options.predict }, options);
  }

  /**
   * The sub-folders of each part's folder are its classes, and each `.txt` file in them is a text.
   *
   * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_CLASS_FOLDERS`, `ERR_NO_TEXTS`, `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`
   * @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT`
   */
  static async fromFolders(options: TextFoldersOptions): Promise<TextClassificationData> {
    const { parts, ...rest } = await collectFolders(options, TEXT_FILES);
    const read: CollectedParts<TextSource>["parts"] = {};
    for (const part of LABELED_PARTS) {
      const files = parts[part];
      if (files === undefined) continue;
      const sources = await readTextFiles(files.sources, options.encoding);
      read[part] = { ...files, sources };
    }
    return new TextClassificationData({ parts: read, ...rest }, options);
  }

  /**
   * CSV files with a header, or with the option `columns` without one. A row that cannot be used is an error that gives
   * its number (all of them are listed), or with `onBadSample: "skip"` left out and listed in `skipped`. Several classes
   * a text are read only with `multiLabel`.
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ROW`, `ERR_NO_TEXTS`,
   *   `ERR_UNKNOWN_CLASS`
   * @throws ConfigurationError `ERR_MULTI_LABEL`, `ERR_PARTS`, `ERR_SPLIT`, `ERR_TABLE_SIZE`
   */
  static async fromCsv(options: TextTablesOptions): Promise<TextClassificationData> {
    return TextClassificationData.#fromTables("csv", options);
  }

  /** As `fromCsv`, with tabs between the columns and no quotes. */
  static async fromTsv(options: TextTablesOptions): Promise<TextClassificationData> {
    return TextClassificationData.#fromTables("tsv", options);
  }

  /** JSON Lines: an object a line. With `multiLabel` its classes may be an array. Throws as `fromCsv`. */
  static async fromJsonl(options: TextJsonlOptions): Promise<TextClassificationData> {
    return TextClassificationData.#fromTables("jsonl", options);
  }

  /** Parquet files. With `multiLabel` the classes may be a column of lists. Throws as `fromCsv`. */
  static async fromParquet(options: TextParquetOptions): Promise<TextClassificationData> {
    return TextClassificationData.#fromTables("parquet", options);
  }

  static async #fromTables(
    format: TableFormat,
    options: TextClassificationDataOptions & MultiLabelOptions & TextColumnOptions & TextParts,
  ): Promise<TextClassificationData> {
    const { multiLabel = false, labelColumn, labels, onBadSample } = options;
    const collected = await collectTables(
      options,
      { onBadSample, none: TEXT_FILES.codes.none },
      (part, file) =>
        readTextTable(file, format, { ...options, multiLabel, withTargets: part !== "predict" }),
    );
    const columns = typeof labelColumn === "string" ? undefined : labelColumn;
    return new TextClassificationData(collected, options, labels ?? columns);
  }

  /** How texts become numbers, as the task has asked. */
  get preprocessor(): TextPreprocessor | undefined {
    return this.#preprocessor;
  }

  /** Called by the task, which knows what its backbone wants. */
  attachPreprocessing(preprocessor: TextPreprocessor): void {
    if (preprocessor === this.#preprocessor) return;
    this.#preprocessor = preprocessor;
    for (const part of Object.keys(this.truncated) as TextPart[]) delete this.truncated[part];
    this.forgetDatasets();
  }

  /** A part's texts with their classes, in the order of the part. Reads them all. */
  samples(part: Exclude<TextPart, "predict">): TextRecord[] {
    const { sources, classes } = this.labeled(part);
    return sources.map((source, i) => {
      return { text: textOf(source), target: classes[i]!.join(", "), classes: classes[i]! };
    });
  }

  /** A part's texts one by one; of more than `most` a random choice, in their order. */
  *texts(part: TextPart, most = Infinity): Generator<string, void> {
    const sources = this.sources(part) ?? [];
    if (sources.length <= most) {
      for (const source of sources) yield textOf(source);
      return;
    }
    const chosen = new RandomGenerator(this.#seed ?? getGlobalSeed()).permutation(sources.length);
    for (const index of chosen.slice(0, most).sort((a, b) => a - b)) yield textOf(sources[index]!);
  }

  protected override createDataset(
    part: TextPart,
    sources: readonly TextSource[],
    targets: ClassificationTarget[] | undefined,
  ): TextDataset {
    return new TextDataset(sources, targets, this.#requirePreprocessor(), (tokens) => {
      const sum = (this.truncated[part] ??= { texts: 0, tokens: 0 });
      sum.texts++;
      sum.tokens += tokens;
    });
  }

  protected override loaderOptions(part: TextPart, dataset: TextDataset) {
    const order = { batchSize: this.batchSize, shuffle: part === "train" };
    return {
      ...(part !== "predict" && { sampler: new LengthGroupedSampler(dataset.lengths, order) }),
      collate: (samples: TextSample[]) => dataset.collate(samples),
    };
  }

  #requirePreprocessor(): TextPreprocessor {
    if (this.#preprocessor !== undefined) return this.#preprocessor;
    throw new ConfigurationError(
      "ERR_NO_PREPROCESSING",
      "These texts have no way to become numbers yet: make a task with them, or call attachPreprocessing.",
    );
  }
}

function checkTexts(part: string, texts: readonly unknown[]): void {
  if (texts.length === 0) throw new DataError("ERR_NO_TEXTS", `\`${part}\` holds no text.`);
  const odd = texts.findIndex((text) => typeof text !== "string");
  if (odd < 0) return;
  throw new DataError("ERR_TEXT", `\`${part}\`, text ${odd}: expected a string, not ${typeof texts[odd]}.`);
}
