/** The data of a text classifier: its parts, classes and loaders, from tables, folders or lists. */
import type { TextPreprocessor } from "../../backbones/text/text_preprocessor.js";
import { DataModule } from "../../core/data_module.js";
import { DataLoader, LengthGroupedSampler } from "../../data/index.js";
import { decodeFile } from "../../data/text/decode_file.js";
import { textOf, type TableFormat, type TextSource } from "../../data/text/index.js";
import { ConfigurationError, DataError } from "../../errors.js";
import { Generator as RandomGenerator, getGlobalSeed } from "../../random.js";
import { scanClassFolders, type SampleFiles } from "../class_folders.js";
import { countClasses, describeParts, type PartCounts } from "../describe_parts.js";
import { badRowsError } from "../label_columns.js";
import {
  collectLabels,
  collectParts,
  encodeTargets,
  LABELED_PARTS,
  labelSamples,
  type LabeledParts,
  type LabeledSamples,
} from "../labeled_samples.js";
import { splitParts } from "../split_parts.js";
import type {
  LabeledTexts,
  TextClassificationDataOptions,
  TextColumnOptions,
  TextFoldersOptions,
  TextJsonlOptions,
  TextListsOptions,
  TextMultiLabelOptions,
  TextParquetOptions,
  TextParts,
  TextTablesOptions,
} from "./text_data_options.js";
import { TextDataset, type TextBatch, type TextSample } from "./text_dataset.js";
import { readTextTable, TEXTS } from "./text_table.js";

export type * from "./text_data_options.js";
export type { TextBatch };

/** The parts of a data set. */
export type TextPart = "train" | "val" | "test" | "predict";

/** A file or row that was left out, and why. */
export interface SkippedText {
  part: TextPart;
  path: string;
  error: DataError;
}

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

interface Collected {
  parts: LabeledParts<TextSource>;
  predict?: readonly TextSource[] | undefined;
  skipped?: SkippedText[];
  warnings?: string[];
}

type TextLoader = DataLoader<TextSample, TextBatch>;

const DEFAULT_BATCH_SIZE = 64;
const SMALLEST_DEFAULT_BATCH_SIZE = 4;
/** Files that are open at once. */
const IN_FLIGHT = 32;
const TEXT_FILES: SampleFiles = {
  noun: TEXTS,
  extensions: ["txt"],
  codes: { none: "ERR_NO_TEXTS", outside: "ERR_TEXT_OUTSIDE_CLASS", extension: "ERR_TEXT_EXTENSION" },
};

/**
 * Classes are read off the training part; how texts become numbers comes from the task, through `attachPreprocessing`.
 * Batches hold texts of about the same length, padded to the longest of them.
 */
export class TextClassificationData extends DataModule {
  /** The classes in the order of their ids. */
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly batchSize: number;
  /** What was left out. */
  readonly skipped: readonly SkippedText[];
  readonly warnings: string[] = [];
  /** By part, as far as its texts have been read. */
  readonly truncated: Partial<Record<TextPart, TruncatedTexts>> = {};
  readonly #options: TextClassificationDataOptions;
  readonly #texts: LabeledParts<TextSource>;
  readonly #predictTexts: readonly TextSource[] | undefined;
  #preprocessor: TextPreprocessor | undefined;
  readonly #loaders = new Map<TextPart, TextLoader>();

  private constructor(
    collected: Collected,
    options: TextClassificationDataOptions,
    multiLabel: boolean,
    labels: readonly string[] | undefined = options.labels,
  ) {
    super();
    const { train, val, test } = collected.parts;
    const labeled = [train, val, test].filter((part) => part !== undefined);
    this.#options = options;
    this.multiLabel = multiLabel;
    this.labels = labels ?? collectLabels(train === undefined ? labeled : [train]);
    this.skipped = collected.skipped ?? [];
    for (const warning of collected.warnings ?? []) this.#warn(warning);
    const seed = options.seed ?? getGlobalSeed();
    const split = splitParts(collected.parts, { ...options, seed, multiLabel, noun: TEXTS });
    for (const warning of split.warnings) this.#warn(warning);
    this.#texts = split.parts;
    this.#predictTexts = collected.predict;
    for (const part of LABELED_PARTS) {
      const texts = this.#texts[part];
      if (texts !== undefined) this.#encodeTargets(part, texts);
    }
    this.batchSize = options.batchSize ?? defaultBatchSize(this.#texts.train?.sources.length);
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
    return new TextClassificationData({ parts, predict: options.predict }, options, multiLabel);
  }

  /**
   * The sub-folders of each part's folder are its classes, and each `.txt` file in them is a text.
   *
   * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_CLASS_FOLDERS`, `ERR_NO_TEXTS`, `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`
   * @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT`
   */
  static async fromFolders(options: TextFoldersOptions): Promise<TextClassificationData> {
    const collected = {
      parts: {} as LabeledParts<TextSource>,
      skipped: [] as SkippedText[],
      warnings: [] as string[],
    };
    for (const part of LABELED_PARTS) {
      const folder = options[part];
      if (folder === undefined) continue;
      const { sources, classes, ignored, emptyClasses } = await scanClassFolders(folder, TEXT_FILES);
      collected.parts[part] = { sources: await readFiles(sources, options.encoding), classes };
      collected.skipped.push(...ignored.map((error) => ({ part, path: error.path!, error })));
      if (ignored.length > 0) {
        collected.warnings.push(
          `${ignored.length} files in ${folder} are no texts of a class and were ignored.`,
        );
      }
      for (const name of emptyClasses) {
        const warning = `The class folder ${JSON.stringify(name)} in ${folder} holds no text and is no class.`;
        collected.warnings.push(warning);
      }
    }
    return new TextClassificationData(collected, options, false);
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
    options: TextClassificationDataOptions & TextMultiLabelOptions & TextColumnOptions & TextParts,
  ): Promise<TextClassificationData> {
    const { multiLabel = false, labelColumn, labels, onBadSample = "error" } = options;
    const skipped: SkippedText[] = [];
    const warnings: string[] = [];
    const read = async (part: TextPart, file: string) => {
      const scan = await readTextTable(file, format, {
        ...options,
        multiLabel,
        withTargets: part !== "predict",
      });
      if (onBadSample === "error" && scan.badRows.length > 0) throw badRowsError(file, scan.badRows);
      for (const error of scan.badRows) skipped.push({ part, path: file, error });
      if (scan.badRows.length > 0) warnings.push(`${scan.badRows.length} rows of ${file} were left out.`);
      if (scan.sources.length === 0) {
        throw new DataError("ERR_NO_TEXTS", `${file} has no row that can be used.`, { path: file });
      }
      return scan;
    };
    const parts: LabeledParts<TextSource> = {};
    for (const part of LABELED_PARTS) {
      const file = options[part];
      if (file !== undefined) parts[part] = await read(part, file);
    }
    const predict =
      options.predict === undefined ? undefined : (await read("predict", options.predict)).sources;
    const columns = typeof labelColumn === "string" ? undefined : labelColumn;
    const collected = { parts, predict, skipped, warnings };
    return new TextClassificationData(collected, options, multiLabel, labels ?? columns);
  }

  get numClasses(): number {
    return this.labels.length;
  }

  /** How many texts of each class each part has; with multi-label a text counts once for each of its classes. */
  get counts(): PartCounts {
    return countClasses(this.#texts, this.labels);
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
    this.#loaders.clear();
  }

  /** A part's texts with their classes, in the order of the part. Reads them all. */
  samples(part: Exclude<TextPart, "predict">): TextRecord[] {
    const { sources, classes } = this.#texts[part] ?? { sources: [], classes: [] };
    return sources.map((source, i) => {
      return { text: textOf(source), target: classes[i]!.join(", "), classes: classes[i]! };
    });
  }

  /** A part's texts one by one; of more than `most` a random choice, in their order. */
  *texts(part: TextPart, most = Infinity): Generator<string, void> {
    const sources = (part === "predict" ? this.#predictTexts : this.#texts[part]?.sources) ?? [];
    if (sources.length <= most) {
      for (const source of sources) yield textOf(source);
      return;
    }
    const chosen = new RandomGenerator(this.#options.seed ?? getGlobalSeed()).permutation(sources.length);
    for (const index of chosen.slice(0, most).sort((a, b) => a - b)) yield textOf(sources[index]!);
  }

  /** Classes, counts and warnings as a table of text. */
  describe(): string {
    return describeParts({
      counts: this.counts,
      parts: this.#texts,
      predict: this.#predictTexts?.length,
      noun: TEXTS,
      labels: this.labels,
      multiLabel: this.multiLabel,
      batchSize: this.batchSize,
      warnings: this.warnings,
    });
  }

  override trainDataloader(): TextLoader | undefined {
    return this.#loader("train");
  }

  override valDataloader(): TextLoader | undefined {
    return this.#loader("val");
  }

  override testDataloader(): TextLoader | undefined {
    return this.#loader("test");
  }

  override predictDataloader(): TextLoader | undefined {
    return this.#loader("predict");
  }

  #loader(part: TextPart): TextLoader | undefined {
    const known = this.#loaders.get(part);
    if (known !== undefined) return known;
    const labeled = part === "predict" ? undefined : this.#texts[part];
    const sources = part === "predict" ? this.#predictTexts : labeled?.sources;
    if (sources === undefined) return undefined;
    const targets = labeled && this.#encodeTargets(part, labeled);
    const dataset = new TextDataset(sources, targets, this.#requirePreprocessor(), (tokens) => {
      const sum = (this.truncated[part] ??= { texts: 0, tokens: 0 });
      sum.texts++;
      sum.tokens += tokens;
    });
    const { batchSize } = this;
    const isTrain = part === "train";
    const { seed, dropLast = dataset.length > batchSize } = this.#options;
    const order = { batchSize, shuffle: isTrain };
    const loader: TextLoader = new DataLoader<TextSample, TextBatch>(dataset, {
      batchSize,
      dropLast: isTrain && dropLast,
      ...(seed !== undefined && { seed }),
      ...(part !== "predict" && { sampler: new LengthGroupedSampler(dataset.lengths, order) }),
      collate: (samples) => dataset.collate(samples),
    });
    this.#loaders.set(part, loader);
    return loader;
  }

  #requirePreprocessor(): TextPreprocessor {
    if (this.#preprocessor !== undefined) return this.#preprocessor;
    throw new ConfigurationError(
      "ERR_NO_PREPROCESSING",
      "These texts have no way to become numbers yet: make a task with them, or call attachPreprocessing.",
    );
  }

  #encodeTargets(part: string, texts: LabeledSamples<TextSource>) {
    const { multiLabel } = this;
    return encodeTargets(part, texts, this.labels, { multiLabel, noun: TEXTS });
  }

  #warn(warning: string): void {
    this.warnings.push(warning);
    this.#options.onWarning?.(warning);
  }
}

function checkTexts(part: string, texts: readonly unknown[]): void {
  if (texts.length === 0) throw new DataError("ERR_NO_TEXTS", `\`${part}\` holds no text.`);
  const odd = texts.findIndex((text) => typeof text !== "string");
  if (odd < 0) return;
  throw new DataError("ERR_TEXT", `\`${part}\`, text ${odd}: expected a string, not ${typeof texts[odd]}.`);
}

/** Whole files, some at a time. */
async function readFiles(paths: readonly string[], encoding: string | undefined): Promise<string[]> {
  const texts: string[] = [];
  for (let start = 0; start < paths.length; start += IN_FLIGHT) {
    const group = paths.slice(start, start + IN_FLIGHT);
    texts.push(...(await Promise.all(group.map((path) => readText(path, encoding)))));
  }
  return texts;
}

async function readText(path: string, encoding: string | undefined): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of decodeFile(path, encoding)) pieces.push(piece);
  return pieces.join("");
}

function defaultBatchSize(trainLength: number | undefined): number {
  if (trainLength === undefined) return DEFAULT_BATCH_SIZE;
  return Math.min(DEFAULT_BATCH_SIZE, Math.max(SMALLEST_DEFAULT_BATCH_SIZE, Math.floor(trainLength / 4)));
}
