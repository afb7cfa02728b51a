/** The data of an image classifier: its parts, classes and loaders, from folders, files, tables or arrays. */
import { DataModule, type Stage } from "../../core/data_module.js";
import {
  DataLoader,
  DEFAULT_PREPROCESSING,
  evaluationPipeline,
  ImageDataset,
  MemoryBudget,
  trainPipeline,
  type ImagePreprocessing,
  type ImageSample,
  type ImageSource,
} from "../../data/index.js";
import { DataError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { getGlobalSeed } from "../../random.js";
import { findBadImages } from "./bad_images.js";
import { scanClassFolders } from "../class_folders.js";
import { countClasses, describeParts, type PartCounts } from "../describe_parts.js";
import { badRowsError } from "../label_columns.js";
import type {
  ImageArraysOptions,
  ImageClassificationDataOptions,
  ImageFilesOptions,
  ImageFoldersOptions,
  ImageTablesOptions,
  MultiLabelOptions,
  PredictImages,
} from "./image_data_options.js";

import { IMAGE_FILES, resolveInputs } from "./image_inputs.js";
import { readImageTable } from "./image_table.js";
import {
  collectLabels,
  collectParts,
  encodeTargets,
  LABELED_PARTS,
  labelSamples,
  selectSamples,
  type LabeledParts,
  type LabeledSamples,
} from "../labeled_samples.js";
import { splitParts } from "../split_parts.js";
import { listImages, nameOfSource, pathOfSource, PICTURES } from "./image_sources.js";

type LabeledImageParts = LabeledParts<ImageSource>;

export { ImageDataset, type ImageSample };
export type * from "./image_data_options.js";

/** The parts of a data set. */
export type ImagePart = "train" | "val" | "test" | "predict";

/** A batch as the loaders give it. */
export interface ImageBatch {
  /** uint8 [batch, height, width, 3]. */
  input: HostTensor;
  /** int32 [batch], or with multi-label float32 [batch, classes]; absent in the predict part. */
  target: HostTensor;
  /** int32 [batch]: the pictures' numbers in their part. */
  index: HostTensor;
  /** Where every picture of the part is a file. */
  path?: string[];
}

/** A file, row or picture that was left out, and why. */
export interface SkippedImage {
  part: ImagePart;
  path: string;
  error: DataError;
}

/** A picture with its class; with several, `target` lists them with commas. */
export interface ImageRecord {
  image: ImageSource;
  target: string;
  classes: readonly string[];
}

/** What the constructors gather before the classes are known. */
interface Collected {
  parts: LabeledImageParts;
  predict?: readonly ImageSource[] | undefined;
  skipped?: SkippedImage[];
  warnings?: string[];
}

const DEFAULT_BATCH_SIZE = 32;
const SMALLEST_DEFAULT_BATCH_SIZE = 4;
const DEFAULT_CACHE_BYTES = 2 ** 30;
const PARTS_OF_STAGE: Record<Stage, readonly ImagePart[]> = {
  fit: ["train", "val"],
  validate: ["val"],
  test: ["test"],
  predict: ["predict"],
};

/**
 * Classes are read off the training part; how pictures are prepared comes from the task, through `attachPreprocessing`.
 * Pictures are decoded when they are first needed, and kept in memory as they are before the first random transform.
 */
export class ImageClassificationData extends DataModule {
  /** The classes in the order of their ids. */
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly batchSize: number;
  /** What was left out: files that are no pictures, and with `onBadSample: "skip"` what could not be used. */
  readonly skipped: SkippedImage[];
  readonly warnings: string[] = [];
  readonly #options: ImageClassificationDataOptions;
  readonly #images: LabeledImageParts;
  #predictImages: readonly ImageSource[] | undefined;
  #preprocessing: ImagePreprocessing;
  #budget: MemoryBudget;
  readonly #datasets = new Map<ImagePart, ImageDataset>();
  readonly #loaders = new Map<ImagePart, DataLoader<ImageSample>>();
  readonly #checked = new Set<ImagePart>();

  private constructor(
    collected: Collected,
    options: ImageClassificationDataOptions,
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
    const split = splitParts(collected.parts, {
      ...options,
      seed: options.seed ?? getGlobalSeed(),
      multiLabel,
      noun: PICTURES,
    });
    for (const warning of split.warnings) this.#warn(warning);
    this.#images = split.parts;
    this.#predictImages = collected.predict;
    for (const part of LABELED_PARTS) {
      const images = this.#images[part];
      if (images !== undefined) this.#encode(part, images);
    }
    this.batchSize = options.batchSize ?? defaultBatchSize(this.#images.train?.sources.length);
    this.#preprocessing = { ...DEFAULT_PREPROCESSING, trainTransforms: options.trainTransforms };
    this.#budget = this.#newBudget();
  }

  /**
   * The sub-folders of each part's folder are its classes; `valSplit` and `testSplit` take those parts from `train`.
   *
   * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_CLASS_FOLDERS`, `ERR_NO_IMAGES`, `ERR_UNKNOWN_CLASS`
   * @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT`
   */
  static async fromFolders(options: ImageFoldersOptions): Promise<ImageClassificationData> {
    const collected: Required<Collected> = { parts: {}, predict: [], skipped: [], warnings: [] };
    for (const part of LABELED_PARTS) {
      const folder = options[part];
      if (folder === undefined) continue;
      const scan = await scanClassFolders(folder, IMAGE_FILES);
      collected.parts[part] = scan;
      collected.skipped.push(...scan.ignored.map((error) => ({ part, path: error.path!, error })));
      if (scan.ignored.length > 0) {
        collected.warnings.push(
          `${scan.ignored.length} files in ${folder} are no pictures of a class and were ignored.`,
        );
      }
      for (const name of scan.emptyClasses) {
        collected.warnings.push(
          `The class folder ${JSON.stringify(name)} in ${folder} holds no picture and is no class.`,
        );
      }
    }
    const predict = await expandPredict(options.predict);
    return new ImageClassificationData({ ...collected, predict }, options, false);
  }

  /**
   * Files (or URLs, Buffers, pixels) with a list of their classes.
   *
   * @throws ConfigurationError `ERR_TARGETS`, `ERR_MULTI_LABEL`, `ERR_PARTS`, `ERR_SPLIT`
   * @throws DataError `ERR_UNKNOWN_CLASS`
   */
  static async fromFiles(options: ImageFilesOptions): Promise<ImageClassificationData> {
    const parts = collectParts(options, (part, { files, targets }) => {
      return labelSamples(part, files, targets, targetRules(options));
    });
    const predict = await expandPredict(options.predict);
    return new ImageClassificationData({ parts, predict }, options, options.multiLabel ?? false);
  }

  /**
   * Pictures in memory with a list of their classes.
   *
   * @throws ConfigurationError `ERR_IMAGE_ARRAY`, and as `fromFiles`
   * @throws DataError `ERR_UNKNOWN_CLASS`
   */
  static async fromArrays(options: ImageArraysOptions): Promise<ImageClassificationData> {
    const parts = collectParts(options, (part, { images, targets }) => {
      return labelSamples(part, listImages(part, images), targets, targetRules(options));
    });
    const predict = options.predict && listImages("predict", options.predict);
    return new ImageClassificationData({ parts, predict }, options, options.multiLabel ?? false);
  }

  /**
   * CSV files with a header. A row that cannot be used is an error that gives its number (all of them are listed), or
   * with `onBadSample: "skip"` left out and listed in `skipped`. A class may hold spaces and commas: several classes a
   * picture are read only with `multiLabel`.
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ROW`, `ERR_NO_IMAGES`, `ERR_UNKNOWN_CLASS`
   * @throws ConfigurationError `ERR_MULTI_LABEL`, `ERR_PARTS`, `ERR_SPLIT`
   */
  static async fromCsv(options: ImageTablesOptions): Promise<ImageClassificationData> {
    const { multiLabel = false, labelColumn, labels, onBadSample = "error" } = options;
    const collected: Required<Collected> = { parts: {}, predict: [], skipped: [], warnings: [] };
    const read = async (part: ImagePart, file: string) => {
      const scan = await readImageTable(file, { ...options, multiLabel, withTargets: part !== "predict" });
      if (onBadSample === "error" && scan.badRows.length > 0) throw badRowsError(file, scan.badRows);
      collected.skipped.push(...scan.badRows.map((error) => ({ part, path: file, error })));
      if (scan.badRows.length > 0)
        collected.warnings.push(`${scan.badRows.length} rows of ${file} were left out.`);
      if (scan.sources.length === 0) {
        throw new DataError("ERR_NO_IMAGES", `${file} has no row that can be used.`, { path: file });
      }
      return scan;
    };
    for (const part of LABELED_PARTS) {
      const file = options[part];
      if (file !== undefined) collected.parts[part] = await read(part, file);
    }
    const predict =
      options.predict === undefined ? undefined : (await read("predict", options.predict)).sources;
    const columns = typeof labelColumn === "string" ? undefined : labelColumn;
    return new ImageClassificationData({ ...collected, predict }, options, multiLabel, labels ?? columns);
  }

  get numClasses(): number {
    return this.labels.length;
  }

  /** How many pictures of each class each part has; with multi-label a picture counts once for each of its classes. */
  get counts(): PartCounts {
    return countClasses(this.#images, this.labels);
  }

  /** How pictures are prepared: as the task has asked, with the `trainTransforms` of these data where they were given. */
  get preprocessing(): ImagePreprocessing {
    return this.#preprocessing;
  }

  /**
   * Called by the task, which knows what its backbone wants. What was decoded for another preparation is forgotten; the
   * same preparation again changes nothing.
   *
   * @throws ConfigurationError `ERR_IMAGE_SIZE` where training pictures would come out in another size than others
   */
  attachPreprocessing(preprocessing: ImagePreprocessing): void {
    const { resize, centerCrop, interpolation } = preprocessing;
    const trainTransforms = this.#options.trainTransforms ?? preprocessing.trainTransforms ?? [];
    const attached: ImagePreprocessing = { resize, centerCrop, interpolation, trainTransforms };
    trainPipeline(attached);
    if (JSON.stringify(attached) === JSON.stringify(this.#preprocessing)) return;
    this.#preprocessing = attached;
    this.#budget = this.#newBudget();
    this.#datasets.clear();
    this.#loaders.clear();
  }

  /** A part's pictures with their classes, in the order of the part. */
  samples(part: Exclude<ImagePart, "predict">): ImageRecord[] {
    const { sources, classes } = this.#images[part] ?? { sources: [], classes: [] };
    return sources.map((image, i) => ({ image, target: classes[i]!.join(", "), classes: classes[i]! }));
  }

  /** Classes, counts and warnings as a table of text. */
  describe(): string {
    return describeParts({
      counts: this.counts,
      parts: this.#images,
      noun: PICTURES,
      predict: this.#predictImages?.length,
      labels: this.labels,
      multiLabel: this.multiLabel,
      batchSize: this.batchSize,
      warnings: this.warnings,
    });
  }

  /** Finds pictures that cannot be used, as `onBadSample` says. @throws DataError */
  override async setup(stage: Stage): Promise<void> {
    for (const part of PARTS_OF_STAGE[stage]) {
      const dataset = this.#dataset(part);
      if (dataset === undefined || this.#checked.has(part)) continue;
      const policy = this.#options.onBadSample ?? "error";
      const bad = await findBadImages(dataset, policy, this.#options);
      this.#checked.add(part);
      if (bad.length === 0) continue;
      const skipped = new Set(bad.map(({ index }) => index));
      for (const { index, error } of bad) {
        this.skipped.push({ part, path: nameOfSource(dataset.sources[index]!, index), error });
      }
      const kept = dataset.sources.map((_, i) => i).filter((i) => !skipped.has(i));
      this.#keepOnly(part, dataset, kept);
      this.#warn(
        `${bad.length} of ${dataset.length} pictures in \`${part}\` cannot be used and were left out.`,
      );
    }
  }

  override trainDataloader(): DataLoader<ImageSample> | undefined {
    return this.#loader("train");
  }

  override valDataloader(): DataLoader<ImageSample> | undefined {
    return this.#loader("val");
  }

  override testDataloader(): DataLoader<ImageSample> | undefined {
    return this.#loader("test");
  }

  override predictDataloader(): DataLoader<ImageSample> | undefined {
    return this.#loader("predict");
  }

  #dataset(part: ImagePart): ImageDataset | undefined {
    const known = this.#datasets.get(part);
    if (known !== undefined) return known;
    const labeled = part === "predict" ? undefined : this.#images[part];
    const sources = labeled?.sources ?? (part === "predict" ? this.#predictImages : undefined);
    if (sources === undefined) return undefined;
    const dataset = new ImageDataset(sources, {
      targets: labeled && this.#encode(part, labeled),
      pipeline:
        part === "train" ? trainPipeline(this.#preprocessing) : evaluationPipeline(this.#preprocessing),
      budget: this.#budget,
      decode: this.#options,
    });
    this.#datasets.set(part, dataset);
    return dataset;
  }

  #loader(part: ImagePart): DataLoader<ImageSample> | undefined {
    const dataset = this.#dataset(part);
    if (dataset === undefined || this.#loaders.has(part)) return this.#loaders.get(part);
    const isTrain = part === "train";
    const { seed, dropLast = dataset.length > this.batchSize } = this.#options;
    const options = { batchSize: this.batchSize, shuffle: isTrain, dropLast: isTrain && dropLast, seed };
    const loader = new DataLoader<ImageSample>(dataset, options);
    this.#loaders.set(part, loader);
    return loader;
  }

  #encode(part: string, images: LabeledSamples<ImageSource>) {
    const { multiLabel } = this;
    return encodeTargets(part, images, this.labels, { multiLabel, noun: PICTURES, pathOf: pathOfSource });
  }

  #keepOnly(part: ImagePart, dataset: ImageDataset, kept: readonly number[]): void {
    if (kept.length === 0) {
      throw new DataError(
        "ERR_NO_IMAGES",
        `None of the ${dataset.length} pictures in \`${part}\` can be used.`,
      );
    }
    const selected = dataset.select(kept);
    this.#datasets.set(part, selected);
    this.#loaders.delete(part);
    if (part === "predict") {
      this.#predictImages = selected.sources;
      return;
    }
    this.#images[part] = selectSamples(this.#images[part]!, kept);
    const remaining = this.counts[part]!;
    for (const label of this.labels.filter((name) => remaining[name] === 0)) {
      this.#warn(`No picture of the class ${JSON.stringify(label)} is left in \`${part}\`.`);
    }
  }

  #newBudget(): MemoryBudget {
    return new MemoryBudget(this.#options.cacheBytes ?? DEFAULT_CACHE_BYTES);
  }

  #warn(warning: string): void {
    this.warnings.push(warning);
    this.#options.onWarning?.(warning);
  }
}

function targetRules({ multiLabel = false, labels }: ImageClassificationDataOptions & MultiLabelOptions) {
  return { multiLabel, labels, noun: PICTURES };
}

async function expandPredict(predict: PredictImages | undefined): Promise<ImageSource[] | undefined> {
  return predict === undefined ? undefined : (await resolveInputs(predict)).sources;
}

function defaultBatchSize(trainLength: number | undefined): number {
  if (trainLength === undefined) return DEFAULT_BATCH_SIZE;
  return Math.min(DEFAULT_BATCH_SIZE, Math.max(SMALLEST_DEFAULT_BATCH_SIZE, Math.floor(trainLength / 4)));
}
