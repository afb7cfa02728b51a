/** What the data of every classifier are: parts, classes, splits and loaders. Its subclasses know what a sample is. */
import {
  DataLoader,
  type ClassificationTarget,
  type DataLoaderOptions,
  type Dataset,
} from "../data/index.js";
import { getGlobalSeed } from "../random.js";
import { checkDataOptions } from "./check_data_options.js";
import type { CollectedParts, DataPart, SkippedSample } from "./collect_parts.js";
import { countClasses, describeParts, type PartCounts } from "./describe_parts.js";
import {
  collectLabels,
  encodeTargets,
  LABELED_PARTS,
  type LabeledParts,
  type LabeledSamples,
  type SampleNoun,
} from "./labeled_samples.js";
import { defaultBatchSize, PartsDataModule } from "./parts_data_module.js";
import { splitParts } from "./split_parts.js";

/** Options of every classifier's data. */
export interface ClassificationDataOptions {
  /**
   * Takes the `val` part from `train`: a fraction between 0 and 1 or a number of samples. Every class keeps its share; with
   * multi-label, samples are drawn regardless of their classes.
   */
  valSplit?: number;
  /** Likewise for `test`. Both are shares of the whole. */
  testSplit?: number;
  /** Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`. */
  seed?: number;
  /** Default: 32 (64 for texts), or a quarter of the training part where that is less, but at least 4. */
  batchSize?: number;
  /** Leaves out a last training batch that is not full; default: where the part is larger than a batch. */
  dropLast?: boolean;
  /** The classes in the order of their ids; default: those of the training part, in natural order. */
  labels?: readonly string[];
  /** Hears of each warning at once; all are kept in `warnings`. */
  onWarning?: (warning: string) => void;
}

/** For sources that can have several classes a sample. */
export interface MultiLabelOptions {
  /** A sample may have several classes, or none; default false. It is never guessed. */
  multiLabel?: boolean;
}

/** What a sample of a kind of data is, for messages and defaults. */
export interface SampleKind<Source> {
  noun: SampleNoun;
  /** Samples of a batch, unless the training part is small. */
  batchSize: number;
  /** The file that a sample comes from, where it comes from one. */
  pathOf?: (source: Source) => string | undefined;
}

const SMALLEST_BATCH_SIZE = 4;

/** A batch as every classifier's loaders give it has `target`, but in the predict part. */
export abstract class ClassificationData<
  Source,
  Item,
  Batch,
  Data extends Dataset<Item> = Dataset<Item>,
> extends PartsDataModule<Item, Batch> {
  /** The classes in the order of their ids. */
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly batchSize: number;
  /** What was left out: files that are no samples, and with `onBadSample: "skip"` what could not be used. */
  readonly skipped: SkippedSample[];
  readonly #kind: SampleKind<Source>;
  readonly #options: ClassificationDataOptions;
  readonly #parts: LabeledParts<Source>;
  #predict: readonly Source[] | undefined;
  readonly #datasets = new Map<DataPart, Data>();
  readonly #loaders = new Map<DataPart, DataLoader<Item, Batch>>();

  /** @param labels in place of `options.labels`, where the data themselves name the classes */
  protected constructor(
    kind: SampleKind<Source>,
    collected: CollectedParts<Source>,
    options: ClassificationDataOptions & MultiLabelOptions,
    labels: readonly string[] | undefined = options.labels,
  ) {
    super(options);
    checkDataOptions(options);
    const { multiLabel = false, seed = getGlobalSeed() } = options;
    const { train, val, test } = collected.parts;
    const labeled = [train, val, test].filter((part) => part !== undefined);
    this.#kind = kind;
    this.#options = options;
    this.multiLabel = multiLabel;
    this.labels = labels ?? collectLabels(train === undefined ? labeled : [train]);
    this.skipped = collected.skipped ?? [];
    for (const warning of collected.warnings ?? []) this.warn(warning);
    const split = splitParts(collected.parts, { ...options, seed, multiLabel, noun: kind.noun });
    for (const warning of split.warnings) this.warn(warning);
    this.#parts = split.parts;
    this.#predict = collected.predict;
    for (const part of LABELED_PARTS) this.#targets(part);
    this.batchSize =
      options.batchSize ??
      defaultBatchSize(this.#parts.train?.sources.length, {
        usual: kind.batchSize,
        least: SMALLEST_BATCH_SIZE,
      });
  }

  get numClasses(): number {
    return this.labels.length;
  }

  /** How many samples of each class each part has; with multi-label a sample counts once for each of its classes. */
  get counts(): PartCounts {
    return countClasses(this.#parts, this.labels);
  }

  /** Classes, counts and warnings as a table of text. */
  describe(): string {
    return describeParts({
      counts: this.counts,
      parts: this.#parts,
      noun: this.#kind.noun,
      predict: this.#predict?.length,
      labels: this.labels,
      multiLabel: this.multiLabel,
      batchSize: this.batchSize,
      warnings: this.warnings,
    });
  }

  /** @param targets undefined in the predict part */
  protected abstract createDataset(
    part: DataPart,
    sources: readonly Source[],
    targets: ClassificationTarget[] | undefined,
  ): Data;

  /** How a part's samples are ordered and put together. */
  protected abstract loaderOptions(
    part: DataPart,
    dataset: Data,
  ): Pick<DataLoaderOptions<Item, Batch>, "shuffle" | "sampler" | "collate">;

  /** A part's samples with their classes, in the order of the part; none where there is no such part. */
  protected labeled(part: Exclude<DataPart, "predict">): LabeledSamples<Source> {
    return this.#parts[part] ?? { sources: [], classes: [] };
  }

  /** A part's samples; undefined where there is no such part. */
  protected sources(part: DataPart): readonly Source[] | undefined {
    return part === "predict" ? this.#predict : this.#parts[part]?.sources;
  }

  protected dataset(part: DataPart): Data | undefined {
    const known = this.#datasets.get(part);
    const sources = this.sources(part);
    if (known !== undefined || sources === undefined) return known;
    const dataset = this.createDataset(part, sources, this.#targets(part));
    this.#datasets.set(part, dataset);
    return dataset;
  }

  /** Has another dataset and other samples stand for a part. */
  protected replacePart(part: DataPart, dataset: Data, samples: LabeledSamples<Source>): void {
    this.#datasets.set(part, dataset);
    this.#loaders.delete(part);
    if (part === "predict") this.#predict = samples.sources;
    else this.#parts[part] = samples;
  }

  /** Called when samples are prepared otherwise from now on. */
  protected forgetDatasets(): void {
    this.#datasets.clear();
    this.#loaders.clear();
  }

  protected override loader(part: DataPart): DataLoader<Item, Batch> | undefined {
    const dataset = this.dataset(part);
    if (dataset === undefined || this.#loaders.has(part)) return this.#loaders.get(part);
    const { batchSize } = this;
    const { seed, dropLast = dataset.length > batchSize } = this.#options;
    const loader = new DataLoader<Item, Batch>(dataset, {
      batchSize,
      dropLast: part === "train" && dropLast,
      ...(seed !== undefined && { seed }),
      ...this.loaderOptions(part, dataset),
    });
    this.#loaders.set(part, loader);
    return loader;
  }

  /** @throws DataError `ERR_UNKNOWN_CLASS` */
  #targets(part: DataPart): ClassificationTarget[] | undefined {
    const samples = part === "predict" ? undefined : this.#parts[part];
    const { noun, pathOf } = this.#kind;
    const encoding = { multiLabel: this.multiLabel, noun, ...(pathOf && { pathOf }) };
    return samples && encodeTargets(part, samples, this.labels, encoding);
  }
}
