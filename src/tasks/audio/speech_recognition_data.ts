/** The data of a speech recogniser: its parts, vocabulary and loaders, from files, tables, folders or datasets. */
import { join } from "node:path";
import type { Stage } from "../../core/data_module.js";
import {
  DataLoader,
  findBadSamples,
  LengthGroupedSampler,
  MemoryBudget,
  summarizeBadSamples,
  type AudioSource,
  type AudioTransform,
} from "../../data/index.js";
import { ConfigurationError, DataError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { checkDataOptions } from "../check_data_options.js";
import { LABELED_PARTS } from "../labeled_samples.js";
import { defaultBatchSize, PartsDataModule } from "../parts_data_module.js";
import { SOUNDS } from "./audio_files.js";
import { padSounds, padTargets, type PaddedSounds } from "./padded_batch.js";
import type {
  CommonVoiceOptions,
  SpeechDatasetsOptions,
  SpeechFilesOptions,
  SpeechFoldersOptions,
  SpeechRecognitionDataOptions,
  SpeechTablesOptions,
} from "./speech_recognition_data_options.js";
import {
  collectFiles,
  collectScans,
  commonVoiceTables,
  isListed,
  lengthOf,
  splitSounds,
  type CollectedSpeech,
  type LabeledPart,
  type PartSounds,
  type SkippedSound,
  type SpeechPart,
} from "./speech_parts.js";
import {
  ListedSpeech,
  MadeSpeech,
  type SpeechDataset,
  type SpeechPreparation,
  type SpeechSample,
} from "./transcribed_dataset.js";
import { normalizeTranscript } from "./transcripts/normalize.js";
import { readTranscriptCsv, readTranscriptFolder, readTranscriptJsonl } from "./transcripts/tables.js";
import type { TranscribedSound, TranscribedSounds } from "./transcripts/transcribed_sounds.js";
import { Vocabulary } from "./transcripts/vocabulary.js";

export type * from "./speech_recognition_data_options.js";
export type { SkippedSound, SpeechPart } from "./speech_parts.js";

/** A batch as the loaders give it. */
export interface SpeechBatch extends PaddedSounds {
  /** int32 [batch, tokens]; zeros behind each transcript's end. Absent in the predict part. */
  target?: HostTensor;
  /** int32 [batch]: the tokens of each transcript. */
  targetLength?: HostTensor;
  /** int32 [batch]: the sounds' numbers in their part. */
  index: HostTensor;
}

/** How the task wants its sounds. */
export interface SpeechPreprocessing {
  /** In Hz. */
  sampleRate: number;
  trainTransforms: readonly AudioTransform[];
  /** Samples that all padded lengths are multiples of. */
  unit: number;
  /** Samples that sounds are padded to at most. Default: no limit. */
  maximum?: number;
  /** Samples that are kept of the silence on either side of speech. Default: all. */
  margin?: number;
}

const DEFAULT_BATCH_SIZE = { usual: 16, least: 2 };
const DEFAULT_CACHE_BYTES = 2 ** 30;
/** `predict` hears sounds that are trimmed, streams and exported models hear the silence that was recorded: both are learnt. */
const TRIMMED_SHARE: Record<LabeledPart, number> = { train: 0.5, val: 1, test: 1 };
const SHOWN_TRANSCRIPTS = 5;
const PARTS_OF_STAGE: Record<Stage, readonly SpeechPart[]> = {
  fit: ["train", "val"],
  validate: ["val"],
  test: ["test"],
  predict: ["predict"],
};

/**
 * The vocabulary is read off the training part; sample rate and augmentation come from the task, through
 * `attachPreprocessing`. Sounds are decoded when they are first needed; batches hold sounds of like length.
 */
export class SpeechRecognitionData extends PartsDataModule<SpeechSample, SpeechBatch> {
  readonly vocabulary: Vocabulary;
  readonly batchSize: number;
  /** What could not be used, with `onBadSample: "skip"`. */
  readonly skipped: SkippedSound[];
  readonly #options: SpeechRecognitionDataOptions;
  readonly #parts: Partial<Record<LabeledPart, PartSounds>>;
  readonly #predict: readonly AudioSource[] | undefined;
  readonly #normalize: (transcript: string) => string;
  #preprocessing: SpeechPreprocessing = { sampleRate: 16000, trainTransforms: [], unit: 160 };
  readonly #datasets = new Map<SpeechPart, SpeechDataset>();
  readonly #loaders = new Map<SpeechPart, DataLoader<SpeechSample, SpeechBatch>>();
  readonly #checked = new Set<SpeechPart>();

  private constructor(collected: CollectedSpeech, options: SpeechRecognitionDataOptions) {
    super(options);
    checkDataOptions(options);
    const { normalize = {}, tokens = "characters" } = options;
    this.#options = options;
    this.#normalize =
      typeof normalize === "function" ? normalize : (text) => normalizeTranscript(text, normalize);
    this.skipped = collected.skipped ?? [];
    if (this.skipped.length > 0) this.warn(`${this.skipped.length} rows cannot be used and were left out.`);
    this.#parts = splitSounds(collected.parts, options);
    this.#predict = collected.predict;
    this.vocabulary =
      tokens instanceof Vocabulary ? tokens : Vocabulary.fromTranscripts(this.#knownTranscripts(), tokens);
    this.batchSize = options.batchSize ?? defaultBatchSize(lengthOf(this.#parts.train), DEFAULT_BATCH_SIZE);
  }

  /**
   * Files (or URLs, Buffers, samples) with a list of their transcripts.
   *
   * @throws ConfigurationError `ERR_TRANSCRIPTS`, `ERR_PARTS`, `ERR_SPLIT`, `ERR_VOCABULARY`
   */
  static async fromFiles(options: SpeechFilesOptions): Promise<SpeechRecognitionData> {
    return new SpeechRecognitionData(await collectFiles(options), options);
  }

  /**
   * CSV or TSV files with a header, one row a sound.
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ROW`, `ERR_NO_AUDIO`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromCsv(options: SpeechTablesOptions): Promise<SpeechRecognitionData> {
    return new SpeechRecognitionData(
      await collectScans(options, options, (file) => readTranscriptCsv(file, options)),
      options,
    );
  }

  /**
   * Files with a JSON object a line, as NeMo's manifests are (for which `audioColumn` is `audio_filepath`).
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ROW`, `ERR_NO_AUDIO`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromJsonl(options: SpeechTablesOptions): Promise<SpeechRecognitionData> {
    return new SpeechRecognitionData(
      await collectScans(options, options, (file) => readTranscriptJsonl(file, options)),
      options,
    );
  }

  /**
   * Folders of sounds with a text of the same name beside each, or as LibriSpeech is laid out.
   *
   * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_AUDIO`, `ERR_TRANSCRIPT_MISSING`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromFolders(options: SpeechFoldersOptions): Promise<SpeechRecognitionData> {
    return new SpeechRecognitionData(await collectScans(options, options, readTranscriptFolder), options);
  }

  /**
   * Mozilla's Common Voice, as it is unpacked.
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ROW`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromCommonVoice(options: CommonVoiceOptions): Promise<SpeechRecognitionData> {
    const { folder } = options;
    const table = { audioColumn: "path", textColumn: "sentence", root: join(folder, "clips") };
    const read = (file: string) => readTranscriptCsv(file, table);
    return new SpeechRecognitionData(await collectScans(commonVoiceTables(folder), options, read), options);
  }

  /**
   * Sounds that are made or fetched when they are wanted.
   *
   * @throws ConfigurationError `ERR_VOCABULARY` without `tokens`
   */
  static fromTranscribedDatasets(options: SpeechDatasetsOptions): SpeechRecognitionData {
    if (!(options.tokens instanceof Vocabulary)) {
      throw new ConfigurationError(
        "ERR_VOCABULARY",
        "Datasets do not tell what is said in them before they are asked: give `tokens`, a Vocabulary.",
      );
    }
    const { train, val, test } = options;
    const given = Object.entries({ train, val, test }).filter(([, dataset]) => dataset !== undefined);
    return new SpeechRecognitionData({ parts: Object.fromEntries(given) }, options);
  }

  /** How many sounds each part has. */
  get counts(): Partial<Record<SpeechPart, number>> {
    const counts: Partial<Record<SpeechPart, number>> = {};
    for (const part of LABELED_PARTS) {
      const dataset = this.#datasets.get(part);
      const sounds = this.#parts[part];
      if (sounds !== undefined) counts[part] = dataset?.length ?? lengthOf(sounds);
    }
    if (this.#predict !== undefined) counts.predict = this.#predict.length;
    return counts;
  }

  /**
   * A part's sounds with what is said in them, in the order of the part; none where there is no such part, or where a dataset
   * makes its sounds.
   */
  samples(part: LabeledPart): TranscribedSound[] {
    const dataset = this.#dataset(part);
    return dataset instanceof ListedSpeech ? dataset.records : [];
  }

  /** A transcript as it is learnt. */
  normalize(transcript: string): string {
    return this.#normalize(transcript);
  }

  /**
   * Called by the task, which knows what its encoder wants. The same preparation again changes nothing.
   */
  attachPreprocessing(preprocessing: SpeechPreprocessing): void {
    const trainTransforms = this.#options.trainTransforms ?? preprocessing.trainTransforms;
    const attached = { ...preprocessing, trainTransforms };
    if (JSON.stringify(attached) === JSON.stringify(this.#preprocessing)) return;
    this.#preprocessing = attached;
    this.#datasets.clear();
    this.#loaders.clear();
    this.#checked.clear();
  }

  /** Counts, vocabulary, warnings, and what normalisation does to the first transcripts, as text. */
  describe(): string {
    const counts = Object.entries(this.counts).map(([part, count]) => `${part} ${count}`);
    const { unit, tokens } = this.vocabulary;
    const listed = tokens.slice(1, 61).map((token) => (token === " " ? "␣" : token));
    const more = tokens.length > 61 ? ` and ${tokens.length - 61} more` : "";
    const transcripts = [...this.#knownTranscripts(false)].slice(0, SHOWN_TRANSCRIPTS);
    return [
      `${SOUNDS.many}: ${counts.join(", ")}; batches of ${this.batchSize}`,
      `${tokens.length - 1} ${unit}: ${listed.join(" ")}${more}`,
      ...transcripts.map(
        (text) => `  ${JSON.stringify(text)} is learnt as ${JSON.stringify(this.#normalize(text))}`,
      ),
      ...this.warnings.map((warning) => `  Warning: ${warning}`),
    ].join("\n");
  }

  /** Finds sounds and transcripts that cannot be used, as `onBadSample` says. @throws DataError */
  override async setup(stage: Stage): Promise<void> {
    for (const part of PARTS_OF_STAGE[stage]) {
      const dataset = this.#dataset(part);
      if (dataset === undefined || !dataset.isFixed || this.#checked.has(part)) continue;
      const bad = await findBadSamples(dataset.length, (index) => dataset.check(index));
      this.#checked.add(part);
      if (bad.length === 0) continue;
      if ((this.#options.onBadSample ?? "error") === "error") throw summarizeBadSamples(bad, dataset.length);
      const skipped = new Set(bad.map(({ index }) => index));
      for (const { index, error } of bad) this.skipped.push({ part, path: dataset.name(index), error });
      const kept = Array.from({ length: dataset.length }, (_, i) => i).filter((i) => !skipped.has(i));
      if (kept.length === 0) {
        throw new DataError(
          "ERR_NO_AUDIO",
          `None of the ${dataset.length} sounds in \`${part}\` can be used.`,
        );
      }
      this.#datasets.set(part, dataset.select(kept));
      this.#loaders.delete(part);
      this.warn(`${bad.length} of ${dataset.length} sounds in \`${part}\` cannot be used and were left out.`);
    }
  }

  #dataset(part: SpeechPart): SpeechDataset | undefined {
    const known = this.#datasets.get(part);
    if (known !== undefined) return known;
    const sounds = part === "predict" ? this.#predictSounds() : this.#parts[part];
    if (sounds === undefined) return undefined;
    const { cacheBytes = DEFAULT_CACHE_BYTES } = this.#options;
    const preparation = this.#preparation(part);
    const dataset = isListed(sounds)
      ? new ListedSpeech(sounds, preparation, new MemoryBudget(cacheBytes))
      : new MadeSpeech(sounds, preparation);
    this.#datasets.set(part, dataset);
    return dataset;
  }

  #preparation(part: SpeechPart): SpeechPreparation {
    const { minSeconds = 0.05, maxSeconds = 30, ...decode } = this.#options;
    const { sampleRate, trainTransforms, margin, maximum = Infinity } = this.#preprocessing;
    return {
      sampleRate,
      transforms: part === "train" ? trainTransforms : [],
      decode,
      vocabulary: this.vocabulary,
      normalize: this.#normalize,
      minSeconds,
      maxSeconds,
      maximum,
      // The frames of predictions keep their places in the sound.
      trim: part === "predict" || margin === undefined ? undefined : { margin, share: TRIMMED_SHARE[part] },
    };
  }

  protected override loader(part: SpeechPart): DataLoader<SpeechSample, SpeechBatch> | undefined {
    const dataset = this.#dataset(part);
    if (dataset === undefined || this.#loaders.has(part)) return this.#loaders.get(part);
    const { batchSize } = this;
    const isTrain = part === "train";
    const withTargets = part !== "predict";
    const loader = new DataLoader<SpeechSample, SpeechBatch>(dataset, {
      batchSize,
      dropLast: isTrain && dataset.length > batchSize,
      ...(this.#options.seed !== undefined && { seed: this.#options.seed }),
      ...(isTrain && {
        sampler: new LengthGroupedSampler(dataset.durations(), { batchSize, shuffle: true }),
      }),
      collate: (samples) => this.#collate(samples, withTargets),
    });
    this.#loaders.set(part, loader);
    return loader;
  }

  #collate(samples: readonly SpeechSample[], withTargets: boolean): SpeechBatch {
    const { unit, maximum = Infinity } = this.#preprocessing;
    const index = new HostTensor(
      Int32Array.from(samples, (sample) => sample.index),
      [samples.length],
    );
    return {
      ...padSounds(
        samples.map(({ input }) => input.data as Float32Array),
        { unit, maximum },
      ),
      ...(withTargets && padTargets(samples.map(({ target }) => target ?? []))),
      index,
    };
  }

  #predictSounds(): TranscribedSounds | undefined {
    return this.#predict && { sources: [...this.#predict], transcripts: this.#predict.map(() => "") };
  }

  /** Of the training part, or of all parts where there is none. */
  *#knownTranscripts(normalized = true): Generator<string> {
    const { train, val, test } = this.#parts;
    for (const sounds of train === undefined ? [val, test] : [train]) {
      if (sounds === undefined || !isListed(sounds)) continue;
      for (const text of sounds.transcripts) yield normalized ? this.#normalize(text) : text;
    }
  }
}
