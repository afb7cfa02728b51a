/** The data of a speech recogniser: its parts, vocabulary and loaders, from files, tables, folders or datasets. */
import { join } from "node:path";
import { existsSync } from "node:fs";
import { DataModule, type Stage } from "../../core/data_module.js";
import {
  DataLoader,
  findBadSamples,
  LengthBucketSampler,
  MemoryBudget,
  randomSplit,
  summarizeBadSamples,
  type AudioSource,
  type AudioTransform,
} from "../../data/index.js";
import { ConfigurationError, DataError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { getGlobalSeed } from "../../random.js";
import { badRowsError } from "../label_columns.js";
import { resolveSounds, SOUNDS } from "./audio_files.js";
import { padSounds, padTargets, type PaddedSounds } from "./padded_batch.js";
import type {
  CommonVoiceOptions,
  PredictSounds,
  SpeechDatasetsOptions,
  SpeechFilesOptions,
  SpeechFoldersOptions,
  SpeechRecognitionDataOptions,
  SpeechTablesOptions,
} from "./speech_recognition_data_options.js";
import {
  ListedSpeech,
  MadeSpeech,
  type SpeechDataset,
  type SpeechPreparation,
  type SpeechSample,
} from "./transcribed_dataset.js";
import { normalizeTranscript } from "./transcripts/normalize.js";
import {
  readTranscriptCsv,
  readTranscriptFolder,
  readTranscriptJsonl,
  type TranscriptScan,
} from "./transcripts/tables.js";
import type { TranscribedDataset, TranscribedSounds } from "./transcripts/transcribed_sounds.js";
import { Vocabulary } from "./transcripts/vocabulary.js";

export type * from "./speech_recognition_data_options.js";

/** The parts of a data set. */
export type SpeechPart = "train" | "val" | "test" | "predict";

/** A batch as the loaders give it. */
export interface SpeechBatch extends PaddedSounds {
  /** int32 [batch, tokens]; zeros behind each transcript's end. Absent in the predict part. */
  target?: HostTensor;
  /** int32 [batch]: the tokens of each transcript. */
  targetLength?: HostTensor;
  /** int32 [batch]: the sounds' numbers in their part. */
  index: HostTensor;
}

/** What was left out, and why. */
export interface SkippedSound {
  part: SpeechPart;
  path: string;
  error: DataError;
}

/** How the task wants its sounds. */
export interface SpeechPreprocessing {
  /** In Hz. */
  sampleRate: number;
  trainTransforms: readonly AudioTransform[];
  /** Samples that all padded lengths are multiples of. */
  unit: number;
}

type LabeledPart = Exclude<SpeechPart, "predict">;
type PartSounds = TranscribedSounds | TranscribedDataset;

interface Collected {
  parts: Partial<Record<LabeledPart, PartSounds>>;
  predict?: readonly AudioSource[] | undefined;
  skipped?: SkippedSound[];
}

const LABELED_PARTS = ["train", "val", "test"] as const;
const DEFAULT_BATCH_SIZE = 16;
const DEFAULT_CACHE_BYTES = 2 ** 30;
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
export class SpeechRecognitionData extends DataModule {
  readonly vocabulary: Vocabulary;
  readonly batchSize: number;
  /** What could not be used, with `onBadSample: "skip"`. */
  readonly skipped: SkippedSound[];
  readonly warnings: string[] = [];
  readonly #options: SpeechRecognitionDataOptions;
  readonly #parts: Partial<Record<LabeledPart, PartSounds>>;
  readonly #predict: readonly AudioSource[] | undefined;
  readonly #normalize: (transcript: string) => string;
  #preprocessing: SpeechPreprocessing = { sampleRate: 16000, trainTransforms: [], unit: 160 };
  readonly #datasets = new Map<SpeechPart, SpeechDataset>();
  readonly #loaders = new Map<SpeechPart, DataLoader<SpeechSample, SpeechBatch>>();
  readonly #checked = new Set<SpeechPart>();

  private constructor(collected: Collected, options: SpeechRecognitionDataOptions) {
    super();
    const { normalize = {}, tokens = "characters" } = options;
    this.#options = options;
    this.#normalize =
      typeof normalize === "function" ? normalize : (text) => normalizeTranscript(text, normalize);
    this.skipped = collected.skipped ?? [];
    if (this.skipped.length > 0) this.#warn(`${this.skipped.length} rows cannot be used and were left out.`);
    this.#parts = splitSounds(collected.parts, options);
    this.#predict = collected.predict;
    this.vocabulary =
      tokens instanceof Vocabulary ? tokens : Vocabulary.fromTranscripts(this.#knownTranscripts(), tokens);
    this.batchSize = options.batchSize ?? defaultBatchSize(lengthOf(this.#parts.train));
  }

  /**
   * Files (or URLs, Buffers, samples) with a list of their transcripts.
   *
   * @throws ConfigurationError `ERR_TRANSCRIPTS`, `ERR_PARTS`, `ERR_SPLIT`, `ERR_VOCABULARY`
   */
  static async fromFiles(options: SpeechFilesOptions): Promise<SpeechRecognitionData> {
    const parts: Collected["parts"] = {};
    for (const part of LABELED_PARTS) {
      const given = options[part];
      if (given === undefined) continue;
      if (given.files.length !== given.transcripts.length) {
        throw new ConfigurationError(
          "ERR_TRANSCRIPTS",
          `\`${part}\` has ${given.files.length} sounds but ${given.transcripts.length} transcripts. Give one for each.`,
        );
      }
      parts[part] = { sources: [...given.files], transcripts: [...given.transcripts] };
    }
    return new SpeechRecognitionData({ parts, predict: await expand(options.predict) }, options);
  }

  /**
   * CSV or TSV files with a header, one row a sound.
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ROW`, `ERR_NO_AUDIO`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromCsv(options: SpeechTablesOptions): Promise<SpeechRecognitionData> {
    return this.#fromScans(options, options, (file) => readTranscriptCsv(file, options));
  }

  /**
   * Files with a JSON object a line, as NeMo's manifests are (for which `audioColumn` is `audio_filepath`).
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ROW`, `ERR_NO_AUDIO`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromJsonl(options: SpeechTablesOptions): Promise<SpeechRecognitionData> {
    return this.#fromScans(options, options, (file) => readTranscriptJsonl(file, options));
  }

  /**
   * Folders of sounds with a text of the same name beside each, or as LibriSpeech is laid out.
   *
   * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_AUDIO`, `ERR_TRANSCRIPT_MISSING`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromFolders(options: SpeechFoldersOptions): Promise<SpeechRecognitionData> {
    return this.#fromScans(options, options, readTranscriptFolder);
  }

  /**
   * Mozilla's Common Voice, as it is unpacked.
   *
   * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ROW`
   * @throws ConfigurationError as `fromFiles`
   */
  static async fromCommonVoice(options: CommonVoiceOptions): Promise<SpeechRecognitionData> {
    const { folder } = options;
    const tables: Partial<Record<LabeledPart, string>> = {};
    for (const [part, name] of [
      ["train", "train.tsv"],
      ["val", "dev.tsv"],
      ["test", "test.tsv"],
    ] as const) {
      const file = join(folder, name);
      if (part === "train" || existsSync(file)) tables[part] = file;
    }
    const table = { audioColumn: "path", textColumn: "sentence", root: join(folder, "clips") };
    return this.#fromScans(tables, options, (file) => readTranscriptCsv(file, table));
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

  static async #fromScans(
    files: Partial<Record<LabeledPart, string>> & { predict?: PredictSounds },
    options: SpeechRecognitionDataOptions,
    read: (file: string) => Promise<TranscriptScan>,
  ): Promise<SpeechRecognitionData> {
    const collected: Required<Collected> = { parts: {}, predict: [], skipped: [] };
    for (const part of LABELED_PARTS) {
      const file = files[part];
      if (file === undefined) continue;
      const { badRows, ...sounds } = await read(file);
      if (badRows.length > 0 && (options.onBadSample ?? "error") === "error")
        throw badRowsError(file, badRows);
      collected.skipped.push(...badRows.map((error) => ({ part, path: error.path ?? file, error })));
      if (sounds.sources.length === 0) {
        throw new DataError("ERR_NO_AUDIO", `${file} has no row that can be used.`, { path: file });
      }
      collected.parts[part] = sounds;
    }
    return new SpeechRecognitionData({ ...collected, predict: await expand(files.predict) }, options);
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
      this.#warn(
        `${bad.length} of ${dataset.length} sounds in \`${part}\` cannot be used and were left out.`,
      );
    }
  }

  override trainDataloader(): DataLoader<SpeechSample, SpeechBatch> | undefined {
    return this.#loader("train");
  }

  override valDataloader(): DataLoader<SpeechSample, SpeechBatch> | undefined {
    return this.#loader("val");
  }

  override testDataloader(): DataLoader<SpeechSample, SpeechBatch> | undefined {
    return this.#loader("test");
  }

  override predictDataloader(): DataLoader<SpeechSample, SpeechBatch> | undefined {
    return this.#loader("predict");
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
    const { sampleRate, trainTransforms } = this.#preprocessing;
    const transforms = part === "train" ? trainTransforms : [];
    const { vocabulary } = this;
    return { sampleRate, transforms, decode, vocabulary, normalize: this.#normalize, minSeconds, maxSeconds };
  }

  #loader(part: SpeechPart): DataLoader<SpeechSample, SpeechBatch> | undefined {
    const dataset = this.#dataset(part);
    if (dataset === undefined || this.#loaders.has(part)) return this.#loaders.get(part);
    const { batchSize } = this;
    const isTrain = part === "train";
    const withTargets = part !== "predict";
    const loader = new DataLoader<SpeechSample, SpeechBatch>(dataset, {
      batchSize,
      dropLast: isTrain && dataset.length > batchSize,
      ...(this.#options.seed !== undefined && { seed: this.#options.seed }),
      ...(isTrain && { sampler: new LengthBucketSampler(dataset.durations(), { batchSize }) }),
      collate: (samples) => this.#collate(samples, withTargets),
    });
    this.#loaders.set(part, loader);
    return loader;
  }

  #collate(samples: readonly SpeechSample[], withTargets: boolean): SpeechBatch {
    const { unit } = this.#preprocessing;
    const index = new HostTensor(
      Int32Array.from(samples, (sample) => sample.index),
      [samples.length],
    );
    return {
      ...padSounds(
        samples.map(({ input }) => input.data as Float32Array),
        { unit },
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

  #warn(warning: string): void {
    this.warnings.push(warning);
    this.#options.onWarning?.(warning);
  }
}

function isListed(sounds: PartSounds): sounds is TranscribedSounds {
  return "transcripts" in sounds;
}

function lengthOf(sounds: PartSounds | undefined): number | undefined {
  if (sounds === undefined) return undefined;
  return isListed(sounds) ? sounds.sources.length : sounds.length;
}

async function expand(predict: PredictSounds | undefined): Promise<AudioSource[] | undefined> {
  return predict === undefined ? undefined : (await resolveSounds(predict)).sources;
}

/** @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT` */
function splitSounds(
  parts: Collected["parts"],
  { seed = getGlobalSeed(), ...options }: SpeechRecognitionDataOptions,
): Collected["parts"] {
  const result = { ...parts };
  for (const part of ["test", "val"] as const) {
    const share = options[`${part}Split`];
    if (share === undefined) continue;
    const { train } = result;
    if (result[part] !== undefined || train === undefined || !isListed(train)) {
      throw new ConfigurationError(
        "ERR_PARTS",
        `\`${part}Split\` takes sounds from \`train\`, which must be given, and \`${part}\` must not.`,
      );
    }
    const { train: kept, held } = randomSplit(train.sources.length, share, seed);
    const pick = (indices: readonly number[]): TranscribedSounds => ({
      sources: indices.map((i) => train.sources[i]!),
      transcripts: indices.map((i) => train.transcripts[i]!),
    });
    result[part] = pick(held);
    result.train = pick(kept);
  }
  return result;
}

function defaultBatchSize(trainLength: number | undefined): number {
  if (trainLength === undefined) return DEFAULT_BATCH_SIZE;
  return Math.min(DEFAULT_BATCH_SIZE, Math.max(2, Math.floor(trainLength / 4)));
}
