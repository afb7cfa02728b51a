/** The data of an object detector: its parts, classes and loaders, from the formats that boxes come in. */
import type { Stage } from "../../core/data_module.js";
import { DataLoader, MemoryBudget, WeightedRandomSampler, type ImageSource } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import type { Awaitable } from "../../core/types.js";
import { getGlobalSeed } from "../../random.js";
import { resolveInputs } from "../image/image_inputs.js";
import { PICTURES } from "../image/image_sources.js";
import { LABELED_PARTS } from "../labeled_samples.js";
import { defaultBatchSize, PartsDataModule } from "../parts_data_module.js";
import { splitLists } from "../split_parts.js";
import type { AnnotationScan } from "./annotations/annotated_image.js";
import { readArrays } from "./annotations/arrays.js";
import { readBoxTable } from "./annotations/box_table.js";
import { checkAnnotations } from "./annotations/check.js";
import { readCoco } from "./annotations/coco.js";
import { readAnnotatedFolder } from "./annotations/folders.js";
import { readVoc } from "./annotations/voc.js";
import { readYolo, readYoloData } from "./annotations/yolo.js";
import { checkBoxFormat } from "./boxes.js";
import { collectAnnotations, type CollectedAnnotations } from "./collect_annotations.js";
import type {
  AnnotatedFoldersOptions,
  BoxArraysOptions,
  BoxTablesOptions,
  CocoOptions,
  ObjectDetectionDataOptions,
  VocOptions,
  YoloOptions,
} from "./detection_data_options.js";
import {
  collateDetections,
  DetectionDataset,
  type DetectionAugmentation,
  type DetectionBatch,
  type DetectionRecord,
  type DetectionSample,
} from "./detection_dataset.js";
import type { LetterboxStyle } from "./letterbox.js";
import {
  problemsError,
  recordOf,
  repeatFactors,
  requirePictures,
  warningsOf,
  type DetectionPart,
  type LabeledPart,
  type SkippedAnnotation,
} from "./detection_parts.js";

export type * from "./detection_data_options.js";
export type { DetectionPart, SkippedAnnotation };

/** How a task wants its pictures. */
export interface DetectionPreprocessing {
  /** Side of the square, in pixels. */
  imageSize: number;
  /** How pictures come into it that are not changed at random. Default: `antialiased`. */
  letterbox?: LetterboxStyle | undefined;
  /** Of training pictures. Default: none. */
  augmentation?: DetectionAugmentation | undefined;
}

const DEFAULT_BATCH_SIZE = { usual: 8, least: 2 };
const DEFAULT_CACHE_BYTES = 2 ** 30;
const DEFAULT_IMAGE_SIZE = 320;

/**
 * Pictures with boxes. Annotations are read and compared with their pictures when the data are made; pictures are decoded
 * when they are first needed, and kept in memory where they fit. What a task wants of them comes through
 * `attachPreprocessing`.
 */
export class ObjectDetectionData extends PartsDataModule<DetectionSample, DetectionBatch> {
  /** The classes in the order of their ids. */
  readonly labels: readonly string[];
  batchSize: number;
  /** What was left out or cut off, with `onBadSample: "skip"`. */
  readonly skipped: readonly SkippedAnnotation[];
  readonly #options: ObjectDetectionDataOptions;
  readonly #records: Partial<Record<DetectionPart, DetectionRecord[]>> = {};
  readonly #datasets = new Map<DetectionPart, DetectionDataset>();
  #preprocessing: DetectionPreprocessing;
  #budget: MemoryBudget;

  private constructor({ parts, skipped, labels }: CollectedAnnotations, options: ObjectDetectionDataOptions) {
    super(options);
    const { imageSize } = options;
    this.#options = options;
    this.labels = labels;
    this.skipped = skipped;
    const split = splitLists(parts, { ...options, seed: options.seed ?? getGlobalSeed(), noun: PICTURES });
    for (const part of LABELED_PARTS) {
      const images = split[part];
      if (images !== undefined) this.#records[part] = images.map((image) => recordOf(image, labels));
    }
    requirePictures(this.#records, skipped);
    this.batchSize = options.batchSize ?? defaultBatchSize(this.#records.train?.length, DEFAULT_BATCH_SIZE);
    this.#preprocessing = { imageSize: imageSize ?? DEFAULT_IMAGE_SIZE };
    this.#budget = this.#newBudget();
    for (const warning of warningsOf(this.counts, skipped)) this.warn(warning);
  }

  /**
   * Pascal VOC: XML files, one a picture.
   *
   * @throws DataError as listed in `docs/detection.md`
   * @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT`
   */
  static fromVoc(options: VocOptions): Promise<ObjectDetectionData> {
    return ObjectDetectionData.#collect(options, readVoc);
  }

  /** COCO: one JSON file a part; crowds are honoured. @throws DataError, ConfigurationError as `fromVoc` */
  static fromCoco(options: CocoOptions): Promise<ObjectDetectionData> {
    return ObjectDetectionData.#collect(options, readCoco);
  }

  /**
   * YOLO: text files, one a picture, with a `data.yaml` or the classes as `labels`.
   *
   * @throws DataError, ConfigurationError as `fromVoc`; `ERR_LABELS_MISSING` where nothing names the classes
   */
  static async fromYolo(options: YoloOptions): Promise<ObjectDetectionData> {
    const named = options.data === undefined ? undefined : await readYoloData(options.data);
    const labels = options.labels ?? named?.names;
    if (labels === undefined) {
      throw new ConfigurationError(
        "ERR_LABELS_MISSING",
        "YOLO's labels are numbers: give the classes' names as `labels`, or a `data.yaml` as `data`.",
      );
    }
    return ObjectDetectionData.#collect({ ...named?.parts, ...options }, (part) => readYolo(part, labels));
  }

  /** CSV files with a row for each box. @throws DataError, ConfigurationError as `fromVoc`; `ERR_BOX_FORMAT` */
  static fromCsv(options: BoxTablesOptions): Promise<ObjectDetectionData> {
    checkBoxFormat(options.boxFormat ?? "xyxy");
    return ObjectDetectionData.#collect(options, (part) => readBoxTable(part, options));
  }

  /** Folders whose layout is recognised: see `docs/detection.md`. @throws DataError, ConfigurationError as `fromVoc` */
  static fromFolders(options: AnnotatedFoldersOptions): Promise<ObjectDetectionData> {
    return ObjectDetectionData.#collect(options, readAnnotatedFolder);
  }

  /** Pictures and boxes in memory. @throws DataError, ConfigurationError as `fromVoc`; `ERR_TARGETS`, `ERR_BOX_FORMAT` */
  static fromArrays(options: BoxArraysOptions): Promise<ObjectDetectionData> {
    const { boxFormat = "xyxy", labels } = options;
    checkBoxFormat(boxFormat);
    return ObjectDetectionData.#collect(options, (part, name) =>
      Promise.resolve(readArrays(name, part, { boxFormat, labels })),
    );
  }

  get numClasses(): number {
    return this.labels.length;
  }

  /** The size that these data were given as an option; undefined where it is the task's to say. */
  get imageSize(): number | undefined {
    return this.#options.imageSize;
  }

  /** How many boxes of each class each part has. */
  get counts(): Partial<Record<DetectionPart, Record<string, number>>> {
    return Object.fromEntries(
      LABELED_PARTS.flatMap((part) => {
        const records = this.#records[part];
        if (records === undefined) return [];
        const counts = this.labels.map((label) => [label, 0] as [string, number]);
        for (const { boxes } of records) for (const { classId } of boxes) counts[classId]![1]++;
        return [[part, Object.fromEntries(counts)]];
      }),
    );
  }

  /** How pictures are prepared: as the task has asked, with what was given to these data. */
  get preprocessing(): DetectionPreprocessing {
    return this.#preprocessing;
  }

  /**
   * Called by the task. What was decoded for another preparation is forgotten.
   *
   * @throws ConfigurationError `ERR_IMAGE_SIZE` where these data were given another `imageSize` than the task's
   */
  attachPreprocessing(preprocessing: DetectionPreprocessing): void {
    const { imageSize, letterbox } = preprocessing;
    const { imageSize: given = imageSize, augmentation = preprocessing.augmentation } = this.#options;
    if (given !== imageSize) {
      throw new ConfigurationError(
        "ERR_IMAGE_SIZE",
        `These data were told to bring pictures to ${given} pixels (\`imageSize\`), and the task that is to take them was made for ` +
          `${imageSize}. Give \`imageSize\` to one of the two only, or both the same.`,
      );
    }
    this.#preprocessing = { imageSize, letterbox, ...(augmentation !== false && { augmentation }) };
    this.#budget = this.#newBudget();
    this.#datasets.clear();
  }

  /**
   * Called by the task before it trains: makes the default batch smaller where memory is short. A size that was given, or found
   * by a tuner, stays.
   *
   * @param fitting gives the size that fits, at most that of the default
   */
  async fitBatchSize(fitting: (most: number) => Awaitable<number>): Promise<void> {
    const most = defaultBatchSize(this.#records.train?.length, DEFAULT_BATCH_SIZE);
    if (this.#options.batchSize !== undefined || this.batchSize !== most) return;
    this.batchSize = await fitting(most);
    if (this.batchSize === most) return;
    this.warn(
      `Memory is short: batches have ${this.batchSize} instead of ${most} pictures. Give \`batchSize\` to have it otherwise, or ` +
        "`accumulateGradBatches` to the Trainer.",
    );
  }

  /** A part's pictures with their boxes, in the order of the part. */
  records(part: DetectionPart): readonly DetectionRecord[] {
    return this.#records[part] ?? [];
  }

  /** A part as samples. */
  dataset(part: DetectionPart): DetectionDataset | undefined {
    const records = this.#records[part];
    const known = this.#datasets.get(part);
    if (records === undefined || known !== undefined) return known;
    const { imageSize, letterbox, augmentation } = this.#preprocessing;
    const dataset = new DetectionDataset(records, {
      imageSize,
      letterbox,
      augmentation: part === "train" ? augmentation : undefined,
      budget: this.#budget,
      decode: this.#options,
    });
    this.#datasets.set(part, dataset);
    return dataset;
  }

  /** Pictures for `trainer.predict`. @throws DataError `ERR_NO_IMAGES`, `ERR_IMAGE_…` */
  override async setup(stage: Stage): Promise<void> {
    const { predict } = this.#options as AnnotatedFoldersOptions;
    if (stage !== "predict" || predict === undefined || this.#records.predict !== undefined) return;
    const { sources } = await resolveInputs(predict);
    const unlabeled = sources.map((image: ImageSource) => ({ image, boxes: [] }));
    const { images, problems } = await checkAnnotations(unlabeled, this.#options);
    if (problems.length > 0 && this.#options.onBadSample !== "skip") throw problemsError(problems);
    this.#records.predict = images.map((image) => recordOf(image, this.labels));
  }

  protected override loader(part: DetectionPart): DataLoader<DetectionSample, DetectionBatch> | undefined {
    const dataset = this.dataset(part);
    if (dataset === undefined) return undefined;
    const isTrain = part === "train";
    const { seed, balanceClasses = false } = this.#options;
    const sampler =
      isTrain && balanceClasses
        ? new WeightedRandomSampler(repeatFactors(dataset.records, this.numClasses), {
            numSamples: dataset.length,
          })
        : undefined;
    return new DataLoader(dataset, {
      batchSize: this.batchSize,
      shuffle: isTrain && sampler === undefined,
      sampler,
      dropLast: isTrain && dataset.length > this.batchSize,
      seed,
      collate: collateDetections,
    });
  }

  #newBudget(): MemoryBudget {
    return new MemoryBudget(this.#options.cacheBytes ?? DEFAULT_CACHE_BYTES);
  }

  static async #collect<Part>(
    options: ObjectDetectionDataOptions & Partial<Record<LabeledPart, Part>>,
    read: (part: Part, name: LabeledPart) => Promise<AnnotationScan>,
  ): Promise<ObjectDetectionData> {
    return new ObjectDetectionData(await collectAnnotations(options, read), options);
  }
}
