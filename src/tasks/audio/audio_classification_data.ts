/** The data of an audio classifier: its parts, classes and loaders, from folders, files or tables. */
import { DataModule, type Stage } from "../../core/data_module.js";
import {
  AudioDataset,
  DataLoader,
  defaultCollate,
  findBadSamples,
  LengthBucketSampler,
  MemoryBudget,
  nameOfAudio,
  summarizeBadSamples,
  type AudioSample,
  type AudioSource,
  type AudioTransform,
  type ClassificationTarget,
} from "../../data/index.js";
import { DataError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { getGlobalSeed } from "../../random.js";
import { scanClassFolders, type FileKind } from "../class_folders.js";
import { countClasses, describeParts, type PartCounts } from "../describe_parts.js";
import { badRowsError } from "../label_columns.js";
import {
  collectLabels,
  collectParts,
  encodeTargets,
  LABELED_PARTS,
  labelSamples,
  selectSamples,
  type LabeledParts,
} from "../labeled_samples.js";
import { splitParts } from "../split_parts.js";
import type {
  AudioClassificationDataOptions,
  AudioFilesOptions,
  AudioFoldersOptions,
  AudioTablesOptions,
} from "./audio_classification_data_options.js";
import { AUDIO_EXTENSIONS, resolveSounds, SOUNDS } from "./audio_files.js";
import { readAudioTable } from "./audio_table.js";
import { padSounds, type PaddedSounds } from "./padded_batch.js";
import type { SkippedSound, SpeechPart, SpeechPreprocessing } from "./speech_recognition_data.js";

export type * from "./audio_classification_data_options.js";

/** A batch as the loaders give it. */
export interface AudioBatch extends PaddedSounds {
  /** int32 [batch], or with multi-label float32 [batch, classes]; absent in the predict part. */
  target?: HostTensor;
  /** int32 [batch]: the sounds' numbers in their part. */
  index: HostTensor;
}

type LabeledAudio = AudioSample<ClassificationTarget>;

interface Collected {
  parts: LabeledParts<AudioSource>;
  predict?: readonly AudioSource[] | undefined;
  skipped?: SkippedSound[];
  warnings?: string[];
}

const SOUND_FILES: FileKind = {
  noun: SOUNDS,
  extensions: AUDIO_EXTENSIONS,
  codes: { none: "ERR_NO_AUDIO", outside: "ERR_AUDIO_OUTSIDE_CLASS", extension: "ERR_AUDIO_EXTENSION" },
};
const DEFAULT_BATCH_SIZE = 32;
const DEFAULT_CACHE_BYTES = 2 ** 30;
const PARTS_OF_STAGE: Record<Stage, readonly SpeechPart[]> = {
  fit: ["train", "val"],
  validate: ["val"],
  test: ["test"],
  predict: ["predict"],
};

/**
 * Classes are read off the training part; sample rate and augmentation come from the task, through `attachPreprocessing`.
 * Sounds are decoded when they are first needed and kept in memory where they fit.
 */
export class AudioClassificationData extends DataModule {
  /** The classes in the order of their ids. */
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly batchSize: number;
  /** What was left out: files that are no sounds, and with `onBadSample: "skip"` what could not be used. */
  readonly skipped: SkippedSound[];
  readonly warnings: string[] = [];
  readonly #options: AudioClassificationDataOptions;
  readonly #parts: LabeledParts<AudioSource>;
  #predict: readonly AudioSource[] | undefined;
  #preprocessing: SpeechPreprocessing = { sampleRate: 16000, trainTransforms: [], unit: 160 };
  readonly #datasets = new Map<SpeechPart, AudioDataset<ClassificationTarget>>();
  readonly #loaders = new Map<SpeechPart, DataLoader<LabeledAudio, AudioBatch>>();
  readonly #checked = new Set<SpeechPart>();

  private constructor(
    collected: Collected,
    options: AudioClassificationDataOptions,
    labels: readonly string[] | undefined = options.labels,
  ) {
    super();
    const { multiLabel = false, seed = getGlobalSeed() } = options;
    const { train, val, test } = collected.parts;
    const labeled = [train, val, test].filter((part) => part !== undefined);
    this.#options = options;
    this.multiLabel = multiLabel;
    this.labels = labels ?? collectLabels(train === undefined ? labeled : [train]);
    this.skipped = collected.skipped ?? [];
    for (const warning of collected.warnings ?? []) this.#warn(warning);
    const split = splitParts(collected.parts, { ...options, seed, multiLabel, noun: SOUNDS });
    for (const warning of split.warnings) this.#warn(warning);
    this.#parts = split.parts;
    this.#predict = collected.predict;
    for (const part of LABELED_PARTS) this.#targets(part);
    this.batchSize = options.batchSize ?? defaultBatchSize(this.#parts.train?.sources.length);
  }

  /**
   * The sub-folders of each part's folder are its classes; `valSplit` and `testSplit` take those parts from `train`.
   *
   * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_CLASS_FOLDERS`, `ERR_NO_AUDIO`, `ERR_UNKNOWN_CLASS`
   * @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT`
   */
  static async fromFolders(options: AudioFoldersOptions): Promise<AudioClassificationData> {
    const collected: Required<Collected> = { parts: {}, predict: [], skipped: [], warnings: [] };
    for (const part of LABELED_PARTS) {
      const folder = options[part];
      if (folder === undefined) continue;
      const scan = await scanClassFolders(folder, SOUND_FILES);
      collected.parts[part] = scan;
      collected.skipped.push(...scan.ignored.map((error) => ({ part, path: error.path!, error })));
      if (scan.ignored.length > 0) {
        collected.warnings.push(
          `${scan.ignored.length} files in ${folder} are no sounds of a class and were ignored.`,
        );
      }
      for (const name of scan.emptyClasses) {
        collected.warnings.push(
          `The class folder ${JSON.stringify(name)} in ${folder} holds no sound and is no class.`,
        );
      }
    }
    return new AudioClassificationData({ ...collected, predict: await expand(options.predict) }, options);
  }

  /**
   * Files (or URLs, Buffers, samples) with a list of their classes.
   *
   * @throws ConfigurationError `ERR_TARGETS`, `ERR_MULTI_LABEL`, `ERR_PARTS`, `ERR_SPLIT`
   * @throws DataError `ERR_UNKNOWN_CLASS`
   */
  static async fromFiles(options: AudioFilesOptions): Promise<AudioClassificationData> {
    const { multiLabel = false, labels } = options;
    const parts = collectParts(options, (part, { files, targets }) => {
      return labelSamples(part, files, targets, { multiLabel, labels, noun: SOUNDS });
    });
    return new AudioClassificationData({ parts, predict: await expand(options.predict) }, options);
  }

  /**
   * CSV files with a header. A row that cannot be used is an error that gives its number (all of them are listed), or
   * with `onBadSample: "skip"` left out and listed in `skipped`.
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ROW`, `ERR_NO_AUDIO`, `ERR_UNKNOWN_CLASS`
   * @throws ConfigurationError `ERR_MULTI_LABEL`, `ERR_PARTS`, `ERR_SPLIT`
   */
  static async fromCsv(options: AudioTablesOptions): Promise<AudioClassificationData> {
    const { labelColumn, labels, onBadSample = "error" } = options;
    const collected: Required<Collected> = { parts: {}, predict: [], skipped: [], warnings: [] };
    for (const part of LABELED_PARTS) {
      const file = options[part];
      if (file === undefined) continue;
      const { badRows, ...scan } = await readAudioTable(file, options);
      if (onBadSample === "error" && badRows.length > 0) throw badRowsError(file, badRows);
      collected.skipped.push(...badRows.map((error) => ({ part, path: file, error })));
      if (badRows.length > 0) collected.warnings.push(`${badRows.length} rows of ${file} were left out.`);
      if (scan.sources.length === 0) {
        throw new DataError("ERR_NO_AUDIO", `${file} has no row that can be used.`, { path: file });
      }
      collected.parts[part] = scan;
    }
    const columns = typeof labelColumn === "string" ? undefined : labelColumn;
    const predict = await expand(options.predict);
    return new AudioClassificationData({ ...collected, predict }, options, labels ?? columns);
  }

  get numClasses(): number {
    return this.labels.length;
  }

  /** How many sounds of each class each part has; with multi-label a sound counts once for each of its classes. */
  get counts(): PartCounts {
    return countClasses(this.#parts, this.labels);
  }

  /** Called by the task, which knows what its backbone wants. The same preparation again changes nothing. */
  attachPreprocessing(preprocessing: SpeechPreprocessing): void {
    const trainTransforms: readonly AudioTransform[] =
      this.#options.trainTransforms ?? preprocessing.trainTransforms;
    const attached = { ...preprocessing, trainTransforms };
    if (JSON.stringify(attached) === JSON.stringify(this.#preprocessing)) return;
    this.#preprocessing = attached;
    this.#datasets.clear();
    this.#loaders.clear();
  }

  /** Classes, counts and warnings as a table of text. */
  describe(): string {
    return describeParts({
      counts: this.counts,
      parts: this.#parts,
      noun: SOUNDS,
      predict: this.#predict?.length,
      labels: this.labels,
      multiLabel: this.multiLabel,
      batchSize: this.batchSize,
      warnings: this.warnings,
    });
  }

  /** Finds sounds that cannot be used, as `onBadSample` says. @throws DataError */
  override async setup(stage: Stage): Promise<void> {
    for (const part of PARTS_OF_STAGE[stage]) {
      const dataset = this.#dataset(part);
      if (dataset === undefined || this.#checked.has(part)) continue;
      const bad = await findBadSamples(dataset.length, (index) => this.#check(dataset, index));
      this.#checked.add(part);
      if (bad.length === 0) continue;
      if ((this.#options.onBadSample ?? "error") === "error") throw summarizeBadSamples(bad, dataset.length);
      const skipped = new Set(bad.map(({ index }) => index));
      for (const { index, error } of bad) {
        this.skipped.push({ part, path: nameOfAudio(dataset.sources[index]!, index), error });
      }
      this.#keepOnly(
        part,
        dataset,
        dataset.sources.map((_, i) => i).filter((i) => !skipped.has(i)),
      );
      this.#warn(
        `${bad.length} of ${dataset.length} sounds in \`${part}\` cannot be used and were left out.`,
      );
    }
  }

  override trainDataloader(): DataLoader<LabeledAudio, AudioBatch> | undefined {
    return this.#loader("train");
  }

  override valDataloader(): DataLoader<LabeledAudio, AudioBatch> | undefined {
    return this.#loader("val");
  }

  override testDataloader(): DataLoader<LabeledAudio, AudioBatch> | undefined {
    return this.#loader("test");
  }

  override predictDataloader(): DataLoader<LabeledAudio, AudioBatch> | undefined {
    return this.#loader("predict");
  }

  async #check(dataset: AudioDataset<ClassificationTarget>, index: number): Promise<void> {
    const { maxSeconds = 30 } = this.#options;
    const { samples, sampleRate } = await dataset.prepare(index);
    const seconds = samples.length / sampleRate;
    if (seconds <= maxSeconds) return;
    const source = dataset.sources[index]!;
    throw new DataError(
      "ERR_AUDIO_DURATION",
      `${nameOfAudio(source, index)} lasts ${seconds.toFixed(1)} s, which is longer than maxSeconds, ${maxSeconds}.`,
      { ...(typeof source === "string" && { path: source }) },
    );
  }

  #targets(part: SpeechPart): ClassificationTarget[] | undefined {
    const samples = part === "predict" ? undefined : this.#parts[part];
    if (samples === undefined) return undefined;
    return encodeTargets(part, samples, this.labels, {
      multiLabel: this.multiLabel,
      noun: SOUNDS,
      pathOf: (source) => (typeof source === "string" ? source : undefined),
    });
  }

  #dataset(part: SpeechPart): AudioDataset<ClassificationTarget> | undefined {
    const known = this.#datasets.get(part);
    if (known !== undefined) return known;
    const sources = part === "predict" ? this.#predict : this.#parts[part]?.sources;
    if (sources === undefined) return undefined;
    const { cacheBytes = DEFAULT_CACHE_BYTES, ...decode } = this.#options;
    const { sampleRate, trainTransforms } = this.#preprocessing;
    const targets = this.#targets(part);
    const dataset = new AudioDataset<ClassificationTarget>(sources, {
      sampleRate,
      ...(targets !== undefined && { targets }),
      transforms: part === "train" ? trainTransforms : [],
      budget: new MemoryBudget(cacheBytes),
      decode,
    });
    this.#datasets.set(part, dataset);
    return dataset;
  }

  #loader(part: SpeechPart): DataLoader<LabeledAudio, AudioBatch> | undefined {
    const dataset = this.#dataset(part);
    if (dataset === undefined || this.#loaders.has(part)) return this.#loaders.get(part);
    const { batchSize } = this;
    const isTrain = part === "train";
    const lengths = dataset.lengths.map((length) => length ?? 0);
    const loader = new DataLoader<LabeledAudio, AudioBatch>(dataset, {
      batchSize,
      dropLast: isTrain && dataset.length > batchSize,
      ...(this.#options.seed !== undefined && { seed: this.#options.seed }),
      ...(isTrain && { sampler: new LengthBucketSampler(lengths, { batchSize }) }),
      collate: (samples) => this.#collate(samples),
    });
    this.#loaders.set(part, loader);
    return loader;
  }

  #collate(samples: readonly LabeledAudio[]): AudioBatch {
    const sounds = samples.map(({ input }) => input.data as Float32Array);
    const rest = samples.map(({ input: _input, path: _path, ...sample }) => sample);
    const collated = defaultCollate(rest) as { target?: HostTensor; index: HostTensor };
    return { ...padSounds(sounds, { unit: this.#preprocessing.unit }), ...collated };
  }

  #keepOnly(part: SpeechPart, dataset: AudioDataset<ClassificationTarget>, kept: readonly number[]): void {
    if (kept.length === 0) {
      throw new DataError("ERR_NO_AUDIO", `None of the ${dataset.length} sounds in \`${part}\` can be used.`);
    }
    this.#datasets.set(part, dataset.select(kept));
    this.#loaders.delete(part);
    if (part === "predict") this.#predict = kept.map((i) => this.#predict![i]!);
    else this.#parts[part] = selectSamples(this.#parts[part]!, kept);
  }

  #warn(warning: string): void {
    this.warnings.push(warning);
    this.#options.onWarning?.(warning);
  }
}

async function expand(
  predict: AudioSource | readonly AudioSource[] | undefined,
): Promise<AudioSource[] | undefined> {
  return predict === undefined ? undefined : (await resolveSounds(predict)).sources;
}

function defaultBatchSize(trainLength: number | undefined): number {
  if (trainLength === undefined) return DEFAULT_BATCH_SIZE;
  return Math.min(DEFAULT_BATCH_SIZE, Math.max(4, Math.floor(trainLength / 4)));
}
