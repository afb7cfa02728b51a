/** The data of an audio classifier: its parts, classes and loaders, from folders, files or tables. */
import {
  AudioDataset,
  defaultCollate,
  findBadSamples,
  LengthGroupedSampler,
  MemoryBudget,
  type AudioSample,
  type AudioSource,
  type AudioTransform,
  type BadSample,
  type ClassificationTarget,
} from "../../data/index.js";
import { nameOfAudio } from "../../data/audio/source.js";
import { DataError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { SampleFiles } from "../class_folders.js";
import { collectFolders, collectTables, type CollectedParts, type DataPart } from "../collect_parts.js";
import {
  DecodedClassificationData,
  DEFAULT_CACHE_BYTES,
  type DecodedSampleKind,
} from "../decoded_classification_data.js";
import { readFileTable } from "../file_table.js";
import { collectParts, labelSamples } from "../labeled_samples.js";
import type {
  AudioClassificationDataOptions,
  AudioFilesOptions,
  AudioFoldersOptions,
  AudioTablesOptions,
} from "./audio_classification_data_options.js";
import { AUDIO_EXTENSIONS, resolveSounds, SOUNDS } from "./audio_files.js";
import { padSounds, type PaddedSounds } from "./padded_batch.js";
import type { SpeechPreprocessing } from "./speech_recognition_data.js";

export type * from "./audio_classification_data_options.js";

/** A batch as the loaders give it. */
export interface AudioBatch extends PaddedSounds {
  /** int32 [batch], or with multi-label float32 [batch, classes]; absent in the predict part. */
  target?: HostTensor;
  /** int32 [batch]: the sounds' numbers in their part. */
  index: HostTensor;
}

type LabeledAudio = AudioSample<ClassificationTarget>;

/** A sound with its class; with several, `target` lists them with commas. */
export interface AudioRecord {
  audio: AudioSource;
  target: string;
  classes: readonly string[];
}

const SOUND_FILES: SampleFiles = {
  noun: SOUNDS,
  extensions: AUDIO_EXTENSIONS,
  codes: { none: "ERR_NO_AUDIO", outside: "ERR_AUDIO_OUTSIDE_CLASS", extension: "ERR_AUDIO_EXTENSION" },
};
const KIND: DecodedSampleKind<AudioSource> = {
  noun: SOUNDS,
  batchSize: 32,
  pathOf: (source) => (typeof source === "string" ? source : undefined),
  nameOf: nameOfAudio,
  none: SOUND_FILES.codes.none,
};

/**
 * Classes are read off the training part; sample rate and augmentation come from the task, through `attachPreprocessing`.
 * Sounds are decoded when they are first needed and kept in memory where they fit.
 */
export class AudioClassificationData extends DecodedClassificationData<
  AudioSource,
  LabeledAudio,
  AudioBatch,
  AudioDataset<ClassificationTarget>
> {
  readonly #options: AudioClassificationDataOptions;
  #preprocessing: SpeechPreprocessing = { sampleRate: 16000, trainTransforms: [], unit: 160 };

  private constructor(
    collected: CollectedParts<AudioSource>,
    options: AudioClassificationDataOptions,
    labels?: readonly string[],
  ) {
    super(KIND, collected, options, labels);
    this.#options = options;
  }

  /**
   * The sub-folders of each part's folder are its classes; `valSplit` and `testSplit` take those parts from `train`.
   *
   * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_CLASS_FOLDERS`, `ERR_NO_AUDIO`, `ERR_UNKNOWN_CLASS`
   * @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT`
   */
  static async fromFolders(options: AudioFoldersOptions): Promise<AudioClassificationData> {
    const collected = await collectFolders(options, SOUND_FILES);
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
    const { predict, ...tables } = options;
    const {
      multiLabel = false,
      labelColumn,
      labels,
      audioColumn: fileColumn = "audio",
      onBadSample,
    } = options;
    const collected = await collectTables<AudioSource>(tables, { onBadSample, none: KIND.none }, (_, file) =>
      readFileTable(file, options, { fileColumn, multiLabel, withTargets: true, noun: SOUNDS }),
    );
    const columns = typeof labelColumn === "string" ? undefined : labelColumn;
    const sounds = { ...collected, predict: await expand(predict) };
    return new AudioClassificationData(sounds, options, labels ?? columns);
  }

  /** Called by the task, which knows what its backbone wants. The same preparation again changes nothing. */
  attachPreprocessing(preprocessing: SpeechPreprocessing): void {
    const trainTransforms: readonly AudioTransform[] =
      this.#options.trainTransforms ?? preprocessing.trainTransforms;
    const attached = { ...preprocessing, trainTransforms };
    if (JSON.stringify(attached) === JSON.stringify(this.#preprocessing)) return;
    this.#preprocessing = attached;
    this.forgetDatasets();
  }

  /** A part's sounds with their classes, in the order of the part. */
  samples(part: Exclude<DataPart, "predict">): AudioRecord[] {
    const { sources, classes } = this.labeled(part);
    return sources.map((audio, i) => ({ audio, target: classes[i]!.join(", "), classes: classes[i]! }));
  }

  protected override findBad(dataset: AudioDataset<ClassificationTarget>): Promise<BadSample[]> {
    return findBadSamples(dataset.length, (index) => this.#check(dataset, index));
  }

  protected override createDataset(
    part: DataPart,
    sources: readonly AudioSource[],
    targets: ClassificationTarget[] | undefined,
  ): AudioDataset<ClassificationTarget> {
    const { cacheBytes = DEFAULT_CACHE_BYTES, ...decode } = this.#options;
    const { sampleRate, trainTransforms } = this.#preprocessing;
    return new AudioDataset<ClassificationTarget>(sources, {
      sampleRate,
      ...(targets !== undefined && { targets }),
      transforms: part === "train" ? trainTransforms : [],
      budget: new MemoryBudget(cacheBytes),
      decode,
    });
  }

  protected override loaderOptions(part: DataPart, dataset: AudioDataset<ClassificationTarget>) {
    const { batchSize } = this;
    const lengths = dataset.lengths.map((length) => length ?? 0);
    return {
      ...(part === "train" && { sampler: new LengthGroupedSampler(lengths, { batchSize, shuffle: true }) }),
      collate: (samples: LabeledAudio[]) => this.#collate(samples),
    };
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

  #collate(samples: readonly LabeledAudio[]): AudioBatch {
    const sounds = samples.map(({ input }) => input.data as Float32Array);
    const rest = samples.map(({ input: _input, path: _path, ...sample }) => sample);
    const collated = defaultCollate(rest) as { target?: HostTensor; index: HostTensor };
    return { ...padSounds(sounds, { unit: this.#preprocessing.unit }), ...collated };
  }
}

async function expand(
  predict: AudioSource | readonly AudioSource[] | undefined,
): Promise<AudioSource[] | undefined> {
  return predict === undefined ? undefined : (await resolveSounds(predict)).sources;
}
