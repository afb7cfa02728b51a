/** The data of an image classifier: its parts, classes and loaders, from folders, files, tables or arrays. */
import {
  DEFAULT_PREPROCESSING,
  evaluationPipeline,
  ImageDataset,
  MemoryBudget,
  trainPipeline,
  type BadSample,
  type BadSamplePolicy,
  type ClassificationTarget,
  type Collated,
  type ImagePreprocessing,
  type ImageSample,
  type ImageSource,
} from "../../data/index.js";
import type { HostTensor } from "../../host_tensor.js";
import type { MultiLabelOptions } from "../classification_data.js";
import {
  collectFolders,
  collectTables,
  type CollectedParts,
  type DataPart,
  type SkippedSample,
} from "../collect_parts.js";
import {
  DecodedClassificationData,
  DEFAULT_CACHE_BYTES,
  type DecodedSampleKind,
} from "../decoded_classification_data.js";
import { readFileTable } from "../file_table.js";
import { collectParts, labelSamples } from "../labeled_samples.js";
import { findBadImages } from "./bad_images.js";
import type {
  ImageArraysOptions,
  ImageClassificationDataOptions,
  ImageFilesOptions,
  ImageFoldersOptions,
  ImageTablesOptions,
  PredictImages,
} from "./image_data_options.js";
import { resolveInputs } from "./image_inputs.js";
import { listImages, nameOfSource, pathOfSource, PICTURE_FILES, PICTURES } from "./image_sources.js";

export { ImageDataset, type ImageSample };
export type * from "./image_data_options.js";

/** The parts of a data set. */
export type ImagePart = DataPart;

/** A file, row or picture that was left out, and why. */
export type SkippedImage = SkippedSample;

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

/** A picture with its class; with several, `target` lists them with commas. */
export interface ImageRecord {
  image: ImageSource;
  target: string;
  classes: readonly string[];
}

const KIND: DecodedSampleKind<ImageSource> = {
  noun: PICTURES,
  batchSize: 32,
  pathOf: pathOfSource,
  nameOf: nameOfSource,
  none: PICTURE_FILES.codes.none,
};

/**
 * Classes are read off the training part; how pictures are prepared comes from the task, through `attachPreprocessing`.
 * Pictures are decoded when they are first needed, and kept in memory as they are before the first random transform.
 */
export class ImageClassificationData extends DecodedClassificationData<
  ImageSource,
  ImageSample,
  Collated<ImageSample>,
  ImageDataset
> {
  readonly #options: ImageClassificationDataOptions;
  #preprocessing: ImagePreprocessing;
  #budget: MemoryBudget;

  private constructor(
    collected: CollectedParts<ImageSource>,
    options: ImageClassificationDataOptions & MultiLabelOptions,
    labels?: readonly string[],
  ) {
    super(KIND, collected, options, labels);
    this.#options = options;
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
    const collected = await collectFolders(options, PICTURE_FILES);
    const predict = await expandPredict(options.predict);
    return new ImageClassificationData({ ...collected, predict }, options);
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
    return new ImageClassificationData({ parts, predict }, options);
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
    return new ImageClassificationData({ parts, predict }, options);
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
    const { multiLabel = false, labelColumn, labels, imageColumn: fileColumn = "image" } = options;
    const { onBadSample } = options;
    const collected = await collectTables<ImageSource>(
      options,
      { onBadSample, none: KIND.none },
      (part, file) =>
        readFileTable(file, options, {
          fileColumn,
          multiLabel,
          withTargets: part !== "predict",
          noun: PICTURES,
        }),
    );
    const columns = typeof labelColumn === "string" ? undefined : labelColumn;
    return new ImageClassificationData(collected, options, labels ?? columns);
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
    this.forgetDatasets();
  }

  /** A part's pictures with their classes, in the order of the part. */
  samples(part: Exclude<ImagePart, "predict">): ImageRecord[] {
    const { sources, classes } = this.labeled(part);
    return sources.map((image, i) => ({ image, target: classes[i]!.join(", "), classes: classes[i]! }));
  }

  protected override createDataset(
    part: ImagePart,
    sources: readonly ImageSource[],
    targets: ClassificationTarget[] | undefined,
  ): ImageDataset {
    const pipeline = part === "train" ? trainPipeline : evaluationPipeline;
    return new ImageDataset(sources, {
      targets,
      pipeline: pipeline(this.#preprocessing),
      budget: this.#budget,
      decode: this.#options,
    });
  }

  protected override loaderOptions(part: ImagePart) {
    return { shuffle: part === "train" };
  }

  protected override findBad(dataset: ImageDataset, policy: BadSamplePolicy): Promise<BadSample[]> {
    return findBadImages(dataset, policy, this.#options);
  }

  #newBudget(): MemoryBudget {
    return new MemoryBudget(this.#options.cacheBytes ?? DEFAULT_CACHE_BYTES);
  }
}

function targetRules({ multiLabel = false, labels }: ImageClassificationDataOptions & MultiLabelOptions) {
  return { multiLabel, labels, noun: PICTURES };
}

async function expandPredict(predict: PredictImages | undefined): Promise<ImageSource[] | undefined> {
  return predict === undefined ? undefined : (await resolveInputs(predict)).sources;
}
