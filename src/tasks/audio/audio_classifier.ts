/** AudioClassifier: which of some classes a sound is of, or with `multiLabel` which of them at once. */
import * as tf from "@tensorflow/tfjs-core";
import {
  LightningModule,
  type BaseFinetuning,
  type BatchLoader,
  type Finetunable,
  type GradientClipAlgorithm,
  type LoaderPart,
  type OptimizerConfiguration,
} from "../../core/index.js";
import {
  AudioDataset,
  DataLoader,
  decodeAudio,
  RandomGain,
  RandomSpeed,
  type AudioSource,
  type ClassificationTarget,
  type Waveform,
} from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError, describeChoices } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import {
  Accuracy,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  F1Score,
  Linear,
  type Module,
  type Optimizer,
} from "../../nn/index.js";
import { getGlobalGenerator } from "../../random.js";
import {
  checkOutputOptions,
  formatOutput,
  type ClassifierOutput,
  type OutputOptions,
  type PredictionOf,
} from "../outputs.js";
import { adamWWithWarmup } from "../recipe.js";
import type { RunningServer, ServeOptions } from "../../serve/index.js";
import { serveTask } from "../serve_task.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import { AudioClassificationData, type AudioBatch } from "./audio_classification_data.js";
import {
  checkAudioClassifierOptions,
  type AudioClassifierOptions,
  type AudioPredictOptions,
} from "./audio_classifier_options.js";
import { AudioFeatureDataset, stackFeatures } from "./audio_feature_dataset.js";
import { resolveSounds, type ManySounds } from "./audio_files.js";
import type { AudioBackbone } from "./backbones/audio_backbone.js";
import { AudioCnn } from "./backbones/audio_cnn.js";
import { openWakeWordBackbone, readOpenWakeWord } from "./backbones/open_wake_word.js";
import type { PaddedSequences } from "./encoders/speech_encoder.js";
import { LogMelFrontEnd, resolveFrontEnd, type ResolvedFrontEnd } from "./features/front_end.js";
import { drawSpecAugment, resolveSpecAugment, type SpecAugmentOptions } from "./features/spec_augment.js";
import { padSounds } from "./padded_batch.js";
import { voiceActivity, type VoiceSegment } from "./voice_activity.js";
import { existsSync } from "node:fs";

/** A batch on the device, or what `forward` takes: waveforms with their lengths, or features [batch, numFeatures]. */
export interface AudioInput {
  /** float32 [batch, samples] with 0 behind each sound's end, or features of a frozen backbone. */
  input: tf.Tensor;
  /** int32 [batch]: the samples of each. Absent with features. */
  length?: tf.Tensor;
  /** Factors of the front end's features, [batch, frames, bands]. */
  mask?: tf.Tensor;
}

interface DeviceBatch extends AudioInput {
  target: tf.Tensor;
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

const DEFAULT_BACKBONE = "audio_cnn";
const GRADIENT_CLIP_NORM = 1;
const PREDICT_BATCH_SIZE = 16;
const TASK_NAME = "AudioClassifier";

/**
 * A backbone, a linear layer on its features, and a recipe that learns by default: AdamW with warm-up and a cosine,
 * SpecAugment, changes of speed and loudness, the weights of the best validation accuracy kept. A frozen backbone's features
 * are computed once, of sounds as they are.
 */
export class AudioClassifier extends LightningModule<AudioInput, tf.Tensor> implements Finetunable {
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly frontEnd: LogMelFrontEnd;
  /** The backbone where it can train. */
  readonly backbone: Module<PaddedSequences, tf.Tensor> | undefined;
  readonly head: Linear;
  override monitor = { metric: "val_accuracy", mode: "max" as const };
  readonly #source: AudioBackbone;
  readonly #options: AudioClassifierOptions;
  readonly #specAugment: Required<SpecAugmentOptions> | undefined;
  readonly #metrics: Record<"val" | "test", { accuracy: Accuracy; f1: F1Score }>;
  readonly #features = new WeakMap<object, Promise<AudioFeatureDataset>>();

  /** @throws ConfigurationError `ERR_CLASSIFIER_OPTION`, `ERR_UNKNOWN_BACKBONE`, `ERR_BACKBONE_FOLDER`, `ERR_MEL_OPTION` */
  constructor(options: AudioClassifierOptions) {
    super();
    checkAudioClassifierOptions(options);
    const { data, backbone = DEFAULT_BACKBONE, frontEnd, specAugment = {} } = options;
    this.#options = options;
    this.labels = [...(options.labels ?? data!.labels)];
    this.multiLabel = options.multiLabel ?? data?.multiLabel ?? false;
    this.#source = typeof backbone === "string" ? createAudioBackbone(backbone) : backbone;
    this.frontEnd = new LogMelFrontEnd(resolveFrontEnd({ normalize: "utterance", ...frontEnd }));
    this.backbone = this.#source.kind === "module" ? this.#source.module : undefined;
    this.head = new Linear(this.#source.numFeatures, this.labels.length);
    this.#specAugment = specAugment === false ? undefined : resolveSpecAugment(specAugment);
    const metrics = () => {
      const counted = { numClasses: this.labels.length, multiLabel: this.multiLabel };
      return { accuracy: new Accuracy(counted), f1: new F1Score(counted) };
    };
    this.#metrics = { val: metrics(), test: metrics() };
    this.saveHyperparameters(this.#savedOptions());
    if (data !== undefined) this.#attach(data);
  }

  /** In Hz: what sounds are converted to. */
  get sampleRate(): number {
    return this.#source.kind === "frozen" ? this.#source.sampleRate : this.frontEnd.options.sampleRate;
  }

  /** Waveforms, or features of a frozen backbone, to logits [batch, classes]. */
  override forward({ input, length, mask }: AudioInput): tf.Tensor {
    if (this.backbone === undefined || length === undefined) return this.head.forward(input);
    const features = this.frontEnd.forward({ waveforms: input, lengths: length });
    const values = mask === undefined ? features.values : tf.mul(features.values, mask);
    return this.head.forward(this.backbone.forward({ values, lengths: features.lengths }));
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const loss = this.#loss(this.forward(batch as DeviceBatch), (batch as DeviceBatch).target);
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override validationStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "val");
  }

  override testStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "test");
  }

  override predictStep(batch: unknown): tf.Tensor {
    return this.forward(batch as AudioInput);
  }

  override configureOptimizers(): OptimizerConfiguration {
    const { learningRate = 2e-3, weightDecay = 0.01 } = this.#options;
    const parameters = [...(this.backbone?.parameters() ?? []), ...this.head.parameters()];
    const totalSteps = this.trainer.estimatedSteppingBatches;
    return adamWWithWarmup([{ parameters, lr: learningRate }], { weightDecay, totalSteps });
  }

  override configureGradientClipping(
    optimizer: Optimizer,
    gradientClipVal = GRADIENT_CLIP_NORM,
    gradientClipAlgorithm: GradientClipAlgorithm = "norm",
  ): void {
    this.clipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);
  }

  /** @throws ConfigurationError `ERR_FINETUNE_STRATEGY` for one that the backbone cannot do */
  configureFinetuning(finetuning: BaseFinetuning): void {
    if (finetuning.freezesForGood || this.#source.kind === "module") return;
    throw new ConfigurationError(
      "ERR_FINETUNE_STRATEGY",
      `The backbone ${this.#source.name} runs as a frozen ONNX session and cannot train: use { strategy: "freeze" }.`,
    );
  }

  override prepareData(): void {
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
    const shape = [frames, this.frontEnd.numFeatures] as const;
    return { ...host, mask: drawSpecAugment(getGlobalGenerator(), lengths, shape, this.#specAugment) };
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
    for (let start = 0; start < sources.length; start += PREDICT_BATCH_SIZE) {
      const batch = await Promise.all(
        sources.slice(start, start + PREDICT_BATCH_SIZE).map((source) => {
          return decodeAudio(source, { ...decode, sampleRate: this.sampleRate });
        }),
      );
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
   * Serves the task as it is now over HTTP, in a process of its own: see docs/server.md.
   *
   * @throws ConfigurationError `ERR_SERVE_BACKBONE` for a task with a backbone of your own; `ERR_SERVE_OPTION`
   * @throws CheckpointError `ERR_FILE_WRITE`
   */
  async serve(options?: ServeOptions): Promise<RunningServer> {
    return serveTask(this, "audio-classifier", options);
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
    const restored = backbone ?? restoreBackbone(path, saved.source, files);
    const task = new AudioClassifier({ ...saved.options, backbone: restored, frontEnd: saved.frontEnd });
    restoreState(task, state);
    return task;
  }

  #loss(logits: tf.Tensor, target: tf.Tensor): tf.Scalar {
    if (this.multiLabel) return binaryCrossEntropyWithLogits(logits, target);
    const { labelSmoothing, classWeights } = this.#options;
    return crossEntropy(logits, target, { labelSmoothing, weight: classWeights });
  }

  #evaluate(batch: DeviceBatch, part: "val" | "test"): void {
    const logits = this.forward(batch);
    const scores = this.multiLabel ? tf.sigmoid(logits) : logits;
    const { accuracy, f1 } = this.#metrics[part];
    accuracy.update(scores, batch.target);
    f1.update(scores, batch.target);
    this.log(`${part}_loss`, this.#loss(logits, batch.target), { progBar: true });
    this.log(`${part}_accuracy`, accuracy, { progBar: true });
    this.log(`${part}_f1`, f1);
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
    const logits = this.#logits(sounds.map(({ samples }) => samples));
    return logits.map((row) => formatOutput(row, this.labels, this.multiLabel, form));
  }

  #logits(sounds: readonly Float32Array[]): number[][] {
    const modes = Array.from(this.namedModules(), ([, module]) => [module, module.training] as const);
    this.eval();
    const source = this.#source;
    const host: Record<string, HostTensor> =
      source.kind === "frozen"
        ? { input: stackFeatures(sounds.map((samples) => source.extract(samples))) }
        : { ...padSounds(sounds, { unit: this.#unit, minimum: this.frontEnd.options.nFft }) };
    const logits = tf.tidy(() => {
      const tensors = Object.entries(host).map(([name, tensor]) => [name, fromHost(tensor)] as const);
      return this.forward(Object.fromEntries(tensors) as unknown as AudioInput).arraySync() as number[][];
    });
    for (const [module, training] of modes) module.training = training;
    return logits;
  }

  /** Samples of 0.1 s: what lengths are rounded up to. */
  get #unit(): number {
    return this.frontEnd.hopLength * 10;
  }

  #attach(data: AudioClassificationData): void {
    if (
      data.labels.length !== this.labels.length ||
      data.labels.some((label, i) => label !== this.labels[i])
    ) {
      throw new ConfigurationError(
        "ERR_LABELS_DIFFER",
        `The data have the classes ${data.labels.join(", ")}; this task was made for ${this.labels.join(", ")}, in that order. ` +
          "Make a new task for these data, or give the data the same classes.",
      );
    }
    data.attachPreprocessing({
      sampleRate: this.sampleRate,
      trainTransforms: this.#source.kind === "frozen" ? [] : [new RandomSpeed(), new RandomGain()],
      unit: this.#unit,
    });
  }

  /** The options as JSON can hold them. */
  #savedOptions(): SavedAudioClassifier["options"] {
    const { data: _data, backbone: _backbone, frontEnd: _frontEnd, ...options } = this.#options;
    return { ...options, labels: this.labels, multiLabel: this.multiLabel };
  }
}

/** @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_BACKBONE_FOLDER` */
function createAudioBackbone(name: string): AudioBackbone {
  if (name === DEFAULT_BACKBONE) {
    const module = new AudioCnn();
    return { kind: "module", name, module, numFeatures: module.numFeatures, pretrained: false };
  }
  if (existsSync(name)) return readOpenWakeWord(name);
  throw new ConfigurationError(
    "ERR_UNKNOWN_BACKBONE",
    `There is no audio backbone ${JSON.stringify(name)}, and no folder of that name. ${describeChoices(name, [DEFAULT_BACKBONE])}`,
  );
}

function restoreBackbone(
  path: string,
  { kind, name }: SavedAudioClassifier["source"],
  files: Readonly<Record<string, Uint8Array>>,
): AudioBackbone {
  if (kind === "frozen" && name === "openwakeword") return openWakeWordBackbone(files);
  if (name === DEFAULT_BACKBONE) return createAudioBackbone(name);
  throw new ConfigurationError(
    "ERR_BACKBONE_MISSING",
    `${path} was saved with the backbone ${JSON.stringify(name)}, which is none of Kindling's. ` +
      "The file holds its weights but no code: load it with { backbone }.",
  );
}

function withoutPaths(batch: object): object {
  return Object.fromEntries(Object.entries(batch).filter(([name]) => name !== "path"));
}
