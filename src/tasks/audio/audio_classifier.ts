/** AudioClassifier: which of some classes a sound is of, or with `multiLabel` which of them at once. */
import * as tf from "@tensorflow/tfjs-core";
import type { BaseFinetuning, BatchLoader, LoaderPart } from "../../core/index.js";
import {
  AudioDataset,
  DataLoader,
  decodeAudio,
  RandomGain,
  RandomSpeed,
  type AudioDecodeOptions,
  type AudioSource,
  type ClassificationTarget,
  type Waveform,
} from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import { Linear, type Module } from "../../nn/index.js";
import { exportOnnx, type OnnxExport } from "../../onnx/index.js";
import { getGlobalGenerator } from "../../random.js";
import type { ClassificationReport } from "../classification_report.js";
import { Classifier, type ClassifierRecipe } from "../classifier.js";
import type { DataPart } from "../collect_parts.js";
import { filledUp } from "../filled_batch.js";
import {
  checkOutputOptions,
  type ClassifierOutput,
  type OutputOptions,
  type PredictionOf,
} from "../outputs.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import { AudioClassificationData, type AudioBatch } from "./audio_classification_data.js";
import type { AudioClassifierOptions, AudioPredictOptions } from "./audio_classifier_options.js";
import { AudioFeatureDataset, stackFeatures } from "./audio_feature_dataset.js";
import { resolveSounds, type ManySounds } from "./audio_files.js";
import type { AudioBackbone } from "./backbones/audio_backbone.js";
import {
  createAudioBackbone,
  DEFAULT_AUDIO_BACKBONE,
  restoreAudioBackbone,
} from "./backbones/create_audio_backbone.js";
import type { PaddedSequences } from "./encoders/speech_encoder.js";
import { audioClassifierExport, type AudioClassifierExportOptions } from "./export_audio_classifier.js";
import { LogMelFrontEnd, resolveFrontEnd, type ResolvedFrontEnd } from "./features/front_end.js";
import {
  changeFeatures,
  drawSpecAugment,
  resolveSpecAugment,
  type FeatureChanges,
  type SpecAugmentOptions,
} from "./features/spec_augment.js";
import { padSounds } from "./padded_batch.js";
import { voiceActivity, type VoiceSegment } from "./voice_activity.js";

/** A batch on the device, or what `forward` takes: waveforms with their lengths, or features [batch, numFeatures]. */
export interface AudioInput extends FeatureChanges {
  /** float32 [batch, samples] with 0 behind each sound's end, or features of a frozen backbone. */
  input: tf.Tensor;
  /** int32 [batch]: the samples of each. Absent with features. */
  length?: tf.Tensor;
}

/** What the file says of the task besides its weights. */
interface SavedAudioClassifier {
  options: Omit<AudioClassifierOptions, "data" | "backbone" | "frontEnd">;
  source: { kind: AudioBackbone["kind"]; name: string };
  frontEnd: ResolvedFrontEnd;
}

/** A stretch of a sound with its classes. */
export type ClassifiedSegment<Prediction = ClassifierOutput> = VoiceSegment & { prediction: Prediction };

/** With `voiceActivity` a list of stretches, else what the other options say. */
type AudioPredictionOf<Options extends AudioPredictOptions> = Options extends { voiceActivity: true | object }
  ? ClassifiedSegment<PredictionOf<Options>>[]
  : PredictionOf<Options>;

const PREDICT_BATCH_SIZE = 16;
const TASK_NAME = "AudioClassifier";

/**
 * A backbone, a linear layer on its features, and a recipe that learns by default: AdamW with warm-up and a cosine,
 * SpecAugment, changes of speed and loudness, smoothed labels, the weights of the best validation accuracy kept. A frozen
 * backbone's features are computed once, of sounds as they are.
 */
export class AudioClassifier extends Classifier<AudioInput, AudioSource> {
  readonly frontEnd: LogMelFrontEnd;
  override readonly backbone: Module<PaddedSequences, tf.Tensor> | undefined;
  override readonly head: Linear;
  readonly #source: AudioBackbone;
  readonly #options: AudioClassifierOptions;
  readonly #specAugment: Required<SpecAugmentOptions> | undefined;
  readonly #features = new WeakMap<object, Promise<AudioFeatureDataset>>();

  /** @throws ConfigurationError `ERR_CLASSIFIER_OPTION`, `ERR_UNKNOWN_BACKBONE`, `ERR_BACKBONE_FOLDER`, `ERR_MEL_OPTION` */
  constructor(options: AudioClassifierOptions) {
    super(options);
    const { data, backbone = DEFAULT_AUDIO_BACKBONE, frontEnd, specAugment = {} } = options;
    this.#options = options;
    this.#source = typeof backbone === "string" ? createAudioBackbone(backbone) : backbone;
    this.frontEnd = new LogMelFrontEnd(resolveFrontEnd(frontEnd));
    this.backbone = this.#source.kind === "module" ? this.#source.module : undefined;
    this.head = new Linear(this.#source.numFeatures, this.labels.length);
    this.#specAugment = specAugment === false ? undefined : resolveSpecAugment(specAugment);
    this.saveHyperparameters(this.#savedOptions());
    if (data !== undefined) this.#attach(data);
  }

  /** In Hz: what sounds are converted to. */
  get sampleRate(): number {
    return this.#source.kind === "frozen" ? this.#source.sampleRate : this.frontEnd.options.sampleRate;
  }

  /** Waveforms, or features of a frozen backbone, to logits [batch, classes]. */
  override forward({ input, length, ...changes }: AudioInput): tf.Tensor {
    if (this.backbone === undefined || length === undefined) return this.head.forward(input);
    const features = this.frontEnd.forward({ waveforms: input, lengths: length });
    const values = changeFeatures(features.values, changes);
    return this.head.forward(this.backbone.forward({ values, lengths: features.lengths }));
  }

  /** A batch has the network's inputs side by side. */
  protected override inputOf(batch: unknown): AudioInput {
    return batch as AudioInput;
  }

  protected override recipe(): ClassifierRecipe {
    return { learningRate: 2e-3, weightDecay: 0.01, pretrained: false };
  }

  protected override get defaultLabelSmoothing(): number {
    return 0.1;
  }

  /** @throws ConfigurationError `ERR_FINETUNE_STRATEGY` for one that the backbone cannot do */
  override configureFinetuning(finetuning: BaseFinetuning): void {
    super.configureFinetuning(finetuning);
    if (finetuning.freezesForGood || this.#source.kind === "module") return;
    throw new ConfigurationError(
      "ERR_FINETUNE_STRATEGY",
      `The backbone ${this.#source.name} runs as a frozen ONNX session and cannot train: use { strategy: "freeze" }.`,
    );
  }

  override configureData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof AudioClassificationData) this.#attach(dataModule);
  }

  /** Where the backbone is frozen, its features are computed once and stand for the sounds. */
  override async processDataloader(loader: BatchLoader, _part: LoaderPart): Promise<BatchLoader> {
    const source = this.#source;
    if (source.kind !== "frozen" || !(loader instanceof DataLoader)) return loader;
    const dataset = loader.dataset as AudioDataset<ClassificationTarget>;
    let features = this.#features.get(dataset);
    if (features === undefined) {
      this.#features.set(dataset, (features = AudioFeatureDataset.extract(dataset, source)));
    }
    return loader.withDataset(await features);
  }

  override onBeforeBatchTransfer(batch: unknown): unknown {
    const { index: _index, ...host } = batch as AudioBatch;
    // A dataset of features has no lengths.
    if (!("length" in host) || !this.training || this.#specAugment === undefined) return withoutPaths(host);
    const frames = this.frontEnd.frames(host.input.shape[1]!);
    const lengths = Array.from(host.length.data, (samples) => Math.max(1, this.frontEnd.frames(samples)));
    const { options } = this.frontEnd;
    return { ...host, ...drawSpecAugment(getGlobalGenerator(), lengths, frames, options, this.#specAugment) };
  }

  /**
   * Classifies sounds: one source gives one answer; a list, a folder or a pattern gives many. With `voiceActivity`, an answer
   * is a list of the stretches in which somebody speaks, each with its prediction.
   *
   * @param input a path, URL, Buffer, samples `{ samples, sampleRate }`, a folder (end it with a slash so that TypeScript
   *   knows), a pattern such as `calls/*.wav`, or an array of these
   * @throws DataError naming the file, as `decodeAudio` does; `ERR_NO_AUDIO` for a folder or pattern without sounds
   * @throws ConfigurationError `ERR_OUTPUT_OPTION`, `ERR_VOICE_ACTIVITY`
   */
  async predict<const Options extends AudioPredictOptions = object>(
    input: ManySounds,
    options?: Options,
  ): Promise<AudioPredictionOf<Options>[]>;
  async predict<const Options extends AudioPredictOptions = object>(
    input: AudioSource,
    options?: Options,
  ): Promise<AudioPredictionOf<Options>>;
  async predict(
    input: AudioSource | readonly AudioSource[],
    { voiceActivity: splitting = false, output, topK, threshold, ...decode }: AudioPredictOptions = {},
  ): Promise<unknown> {
    const form = { output, topK, threshold } as OutputOptions;
    checkOutputOptions(form);
    const { sources, single } = await resolveSounds(input);
    const results: unknown[] = [];
    for await (const batch of this.#decode(sources, decode)) {
      if (splitting === false) results.push(...this.#classify(batch, form));
      else {
        const options = splitting === true ? {} : splitting;
        results.push(
          ...batch.map((sound) => this.#classifySegments(sound, voiceActivity(sound, options), form)),
        );
      }
    }
    return single ? results[0] : results;
  }

  /**
   * What the predictions for a part of the data are worth: accuracy, F1, each class, the confusion matrix, calibration,
   * and the sounds with the largest loss, among which wrong labels are found.
   *
   * @param options.part default `test`
   * @throws ConfigurationError `ERR_PARTS` for a part that the data do not have, `ERR_LABELS_DIFFER`
   * @throws DataError naming a file that cannot be decoded
   */
  async report(
    data: AudioClassificationData,
    { part = "test" }: { part?: Exclude<DataPart, "predict"> } = {},
  ): Promise<ClassificationReport<AudioSource>> {
    const records = data.samples(part);
    const samples = records.map(({ audio }) => audio);
    return this.reportOn(data, part, { samples, classes: records.map(({ classes }) => classes) });
  }

  /** Writes the task to one file: weights, labels and features; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const { kind, name } = this.#source;
    const config: SavedAudioClassifier = {
      options: this.#savedOptions(),
      source: { kind, name },
      frontEnd: this.frontEnd.options,
    };
    const files = this.#source.kind === "frozen" ? { ...this.#source.files } : {};
    await writeTaskFile(path, TASK_NAME, config, this, files);
  }

  /**
   * A task that `save` has written, ready to predict or to train on.
   *
   * @param options.backbone the same backbone again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   * @throws ConfigurationError `ERR_BACKBONE_MISSING` where the task needs a backbone that was not given
   */
  static async load(path: string, { backbone }: { backbone?: AudioBackbone } = {}): Promise<AudioClassifier> {
    const { config, state, files } = await readTaskFile(path, TASK_NAME);
    const saved = config as SavedAudioClassifier;
    const restored = backbone ?? restoreAudioBackbone(path, saved.source, files);
    const task = new AudioClassifier({ ...saved.options, backbone: restored, frontEnd: saved.frontEnd });
    restoreState(task, state);
    return task;
  }

  /**
   * Writes the task to one ONNX file that any ONNX runtime runs, after running it beside this task. It takes any number of
   * sounds of any length at `sampleRate`: `waveforms`, float32 [batch, samples] with zeros behind each sound's end, and
   * `lengths`, int64 [batch], their samples. It gives `logits` [batch, classes]. The metadata name the classes (`labels`,
   * `names`), and `kindling.task` has all. Features are part of the graph.
   *
   * @throws as the function `exportOnnx`
   * @throws ConfigurationError `ERR_EXPORT_BACKBONE` for a backbone that runs frozen
   */
  async exportOnnx(path: string, options: AudioClassifierExportOptions = {}): Promise<OnnxExport> {
    const { labels, multiLabel, sampleRate } = this;
    if (this.#source.kind === "frozen") {
      throw new ConfigurationError(
        "ERR_EXPORT_BACKBONE",
        `The backbone ${this.#source.name} runs as sessions of its own and was not imported, so it cannot become one graph ` +
          "with its head. Choose a backbone that trains.",
      );
    }
    const described = {
      labels,
      multiLabel,
      sampleRate,
      forward: (sounds: AudioInput) => this.forward(sounds),
    };
    return exportOnnx(this, path, audioClassifierExport(described, options));
  }

  protected override async logitsOf(sounds: readonly AudioSource[]): Promise<number[][]> {
    const logits: number[][] = [];
    for await (const batch of this.#decode(sounds)) logits.push(...this.#logits(batch));
    return logits;
  }

  /** Some sounds at a time. */
  async *#decode(
    sources: readonly AudioSource[],
    options: AudioDecodeOptions = {},
  ): AsyncGenerator<Waveform[], void> {
    for (let start = 0; start < sources.length; start += PREDICT_BATCH_SIZE) {
      const batch = sources.slice(start, start + PREDICT_BATCH_SIZE);
      yield Promise.all(
        batch.map((source) => decodeAudio(source, { ...options, sampleRate: this.sampleRate })),
      );
    }
  }

  #classifySegments(
    { samples, sampleRate }: Waveform,
    segments: readonly VoiceSegment[],
    form: OutputOptions,
  ): ClassifiedSegment[] {
    const parts = segments.map(({ start, end }) => ({
      samples: samples.subarray(Math.round(start * sampleRate), Math.round(end * sampleRate)),
      sampleRate,
    }));
    const predictions: ClassifierOutput[] = [];
    for (let i = 0; i < parts.length; i += PREDICT_BATCH_SIZE) {
      predictions.push(...this.#classify(parts.slice(i, i + PREDICT_BATCH_SIZE), form));
    }
    return segments.map((segment, i) => ({ ...segment, prediction: predictions[i]! }));
  }

  #classify(sounds: readonly Waveform[], form: OutputOptions): ClassifierOutput[] {
    return this.#logits(sounds).map((row) => this.format(row, form));
  }

  #logits(sounds: readonly Waveform[]): number[][] {
    const source = this.#source;
    const waveforms = sounds.map(({ samples }) => samples);
    const host: Record<string, HostTensor> =
      source.kind === "frozen"
        ? { input: stackFeatures(filledUp(waveforms.map((samples) => source.extract(samples)))) }
        : { ...padSounds(filledUp(waveforms), { unit: this.#unit, minimum: this.frontEnd.options.nFft }) };
    const logits = inEvalMode(this, () =>
      tf.tidy(() => {
        const tensors = Object.entries(host).map(([name, tensor]) => [name, fromHost(tensor)] as const);
        return this.forward(Object.fromEntries(tensors) as unknown as AudioInput);
      }),
    );
    const rows = logits.arraySync() as number[][];
    logits.dispose();
    return rows.slice(0, sounds.length);
  }

  /** Samples of 0.1 s: what lengths are rounded up to. */
  get #unit(): number {
    return this.frontEnd.hopLength * 10;
  }

  #attach(data: AudioClassificationData): void {
    this.checkLabels(data);
    data.attachPreprocessing({
      sampleRate: this.sampleRate,
      trainTransforms: this.#source.kind === "frozen" ? [] : [new RandomSpeed(), new RandomGain()],
      unit: this.#unit,
    });
  }

  /** The options as JSON can hold them. */
  #savedOptions(): SavedAudioClassifier["options"] {
    const { data: _data, backbone: _backbone, frontEnd: _frontEnd, ...options } = this.#options;
    return { ...options, ...this.resolvedOptions };
  }
}

function withoutPaths(batch: object): object {
  return Object.fromEntries(Object.entries(batch).filter(([name]) => name !== "path"));
}
