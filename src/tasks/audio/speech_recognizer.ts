/** SpeechRecognizer: what is said in a sound, and when. */
import * as tf from "@tensorflow/tfjs-core";
import {
  LightningModule,
  type BaseFinetuning,
  type Finetunable,
  type GradientClipAlgorithm,
  type OptimizerConfiguration,
} from "../../core/index.js";
import { RandomGain, RandomSpeed, streamAudio, type AudioPiece, type AudioSource } from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { ctcLoss, Linear, type Optimizer } from "../../nn/index.js";
import { getGlobalGenerator } from "../../random.js";
import { adamWWithWarmup } from "../recipe.js";
import type { RunningServer, ServeOptions } from "../../serve/index.js";
import { serveTask } from "../serve_task.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import { resolveSounds, type ManySounds } from "./audio_files.js";
import { checkDecodingOptions, decodeProbabilities, type DecodingOptions } from "./decoding/decode.js";
import { logSoftmax, type LogProbabilities } from "./decoding/log_probabilities.js";
import type { Transcription } from "./decoding/words.js";
import { createSpeechEncoder, type SpeechEncoderName } from "./encoders/create_encoder.js";
import { sequenceMask, type PaddedSequences, type SpeechEncoder } from "./encoders/speech_encoder.js";
import { LogMelFrontEnd, resolveFrontEnd, type ResolvedFrontEnd } from "./features/front_end.js";
import { drawSpecAugment, resolveSpecAugment, type SpecAugmentOptions } from "./features/spec_augment.js";
import { TranscriptErrorRate } from "./metrics/transcript_error_rate.js";
import { padSounds } from "./padded_batch.js";
import { SpeechRecognitionData, type SpeechBatch } from "./speech_recognition_data.js";
import {
  checkRecognizerOptions,
  checkSeconds,
  type SpeechRecognizerOptions,
  type StreamOptions,
  type TranscriptionOptions,
} from "./speech_recognizer_options.js";
import { SpeechStream } from "./speech_stream.js";
import { Vocabulary, type TokenUnit } from "./transcripts/vocabulary.js";

/** A batch on the device, or what `forward` takes. */
export interface SpeechInput {
  /** float32 [batch, samples]; 0 behind each sound's end. */
  input: tf.Tensor;
  /** int32 [batch]: the samples of each. */
  length: tf.Tensor;
  /** Factors of the features, [batch, frames, bands]. */
  mask?: tf.Tensor;
}

interface DeviceBatch extends SpeechInput {
  target: tf.Tensor;
  targetLength: tf.Tensor;
}

/** What the file says of the task besides its weights. */
interface SavedSpeechRecognizer {
  options: Omit<SpeechRecognizerOptions, "data" | "vocabulary" | "encoder" | "frontEnd">;
  /** Null for an encoder of one's own. */
  encoder: SpeechEncoderName | null;
  vocabulary: { unit: TokenUnit; tokens: string[] };
  frontEnd: ResolvedFrontEnd;
}

const GRADIENT_CLIP_NORM = 1;
const TASK_NAME = "SpeechRecognizer";
const PREDICT_BATCH_SIZE = 8;
const LONGEST_UTTERANCE_SECONDS = 30;

/**
 * Log-mel features, an encoder, and a linear layer whose classes CTC (Graves et al., 2006) turns into text; with a recipe
 * that learns by default: AdamW with warm-up and a cosine, SpecAugment, changes of speed and loudness, the weights of the
 * best validation word error rate kept.
 */
export class SpeechRecognizer extends LightningModule<SpeechInput, PaddedSequences> implements Finetunable {
  readonly vocabulary: Vocabulary;
  readonly frontEnd: LogMelFrontEnd;
  /** The encoder. */
  readonly backbone: SpeechEncoder;
  readonly head: Linear;
  override monitor = { metric: "val_wer", mode: "min" as const };
  readonly #options: SpeechRecognizerOptions;
  readonly #specAugment: Required<SpecAugmentOptions> | undefined;
  readonly #metrics: Record<"val" | "test", { wer: TranscriptErrorRate; cer: TranscriptErrorRate }>;

  /** @throws ConfigurationError `ERR_RECOGNIZER_OPTION`, `ERR_UNKNOWN_ENCODER`, `ERR_MEL_OPTION`, `ERR_SPEC_AUGMENT` */
  constructor(options: SpeechRecognizerOptions) {
    super();
    checkRecognizerOptions(options);
    const { data, encoder = "conv_gru", encoderOptions, frontEnd, specAugment = {} } = options;
    this.#options = options;
    this.vocabulary = options.vocabulary ?? data!.vocabulary;
    this.frontEnd = new LogMelFrontEnd(resolveFrontEnd(frontEnd));
    this.backbone =
      typeof encoder === "string"
        ? createSpeechEncoder(encoder, this.frontEnd.numFeatures, encoderOptions)
        : encoder;
    this.head = new Linear(this.backbone.numFeatures, this.vocabulary.size);
    this.#specAugment = specAugment === false ? undefined : resolveSpecAugment(specAugment);
    const metrics = () => ({
      wer: new TranscriptErrorRate(this.vocabulary, "words"),
      cer: new TranscriptErrorRate(this.vocabulary, "characters"),
    });
    this.#metrics = { val: metrics(), test: metrics() };
    this.saveHyperparameters({ ...this.#savedOptions(), encoder: this.#encoderName });
    if (data !== undefined) this.#attach(data);
  }

  /** In Hz: what sounds are converted to. */
  get sampleRate(): number {
    return this.frontEnd.options.sampleRate;
  }

  /** Seconds from one frame of logits to the next. */
  get secondsPerFrame(): number {
    return this.#frameSamples / this.sampleRate;
  }

  /** Waveforms to logits [batch, frames, classes], class 0 being CTC's blank, and how many frames each sound has. */
  override forward({ input, length, mask }: SpeechInput): PaddedSequences {
    const features = this.frontEnd.forward({ waveforms: input, lengths: length });
    const values = mask === undefined ? features.values : tf.mul(features.values, mask);
    const hidden = this.backbone.forward({ values, lengths: features.lengths });
    return { values: this.head.forward(hidden.values), lengths: hidden.lengths };
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const loss = this.#loss(this.forward(batch as DeviceBatch), batch as DeviceBatch);
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override validationStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "val");
  }

  override testStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "test");
  }

  override predictStep(batch: unknown): PaddedSequences {
    return this.forward(batch as SpeechInput);
  }

  override configureOptimizers(): OptimizerConfiguration {
    const { learningRate = 2e-3, weightDecay = 0.01 } = this.#options;
    const parameters = [...this.backbone.parameters(), ...this.head.parameters()];
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

  /** Any strategy will do. */
  configureFinetuning(_finetuning: BaseFinetuning): void {}

  override prepareData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof SpeechRecognitionData) this.#attach(dataModule);
  }

  override onBeforeBatchTransfer(batch: unknown): unknown {
    const { index: _index, ...host } = batch as SpeechBatch;
    if (!this.training || this.#specAugment === undefined) return host;
    const frames = this.frontEnd.frames(host.input.shape[1]!);
    const lengths = Array.from(host.length.data, (samples) => Math.max(1, this.frontEnd.frames(samples)));
    const shape = [frames, this.frontEnd.numFeatures] as const;
    return { ...host, mask: drawSpecAugment(getGlobalGenerator(), lengths, shape, this.#specAugment) };
  }

  /**
   * Writes down what is said: one sound gives one answer; a list, a folder or a pattern gives many. Sounds of any length are
   * heard in overlapping windows.
   *
   * @param input a path, URL, Buffer, samples `{ samples, sampleRate }`, chunks of samples, a folder (end it with a slash so
   *   that TypeScript knows), a pattern such as `calls/*.wav`, or an array of these
   * @throws DataError naming the file, as `decodeAudio` does; `ERR_NO_AUDIO` for a folder or pattern without sounds
   * @throws ConfigurationError `ERR_DECODING_OPTION`, `ERR_RECOGNIZER_OPTION`
   */
  async predict(input: ManySounds, options?: TranscriptionOptions): Promise<Transcription[]>;
  async predict(input: AudioSource, options?: TranscriptionOptions): Promise<Transcription>;
  async predict(
    input: AudioSource | readonly AudioSource[],
    options: TranscriptionOptions = {},
  ): Promise<Transcription | Transcription[]> {
    const { chunkSeconds = 20, overlapSeconds = 2, timeoutSeconds, maxBytes, channel, ...decoding } = options;
    checkSeconds({ chunkSeconds, overlapSeconds });
    checkDecodingOptions(decoding);
    const decode = dropUndefined({ timeoutSeconds, maxBytes, channel });
    const { sources, single } = await resolveSounds(input);
    const results: Transcription[] = [];
    const waiting: { place: number; samples: Float32Array }[] = [];
    const hearWaiting = (): void => {
      const all = this.#hear(waiting.map(({ samples }) => samples));
      waiting.forEach(({ place }, i) => (results[place] = this.#decode(all[i]!, decoding)));
      waiting.length = 0;
    };
    for (const [place, source] of sources.entries()) {
      const pieces = streamAudio(source, { ...decode, sampleRate: this.sampleRate });
      const beginning = await takeSeconds(pieces, chunkSeconds * this.sampleRate);
      if (beginning.isWhole) {
        waiting.push({ place, samples: beginning.samples });
        if (waiting.length === PREDICT_BATCH_SIZE) hearWaiting();
        continue;
      }
      const stream = this.stream({
        ...decoding,
        stepSeconds: chunkSeconds,
        contextSeconds: overlapSeconds,
        lookaheadSeconds: overlapSeconds,
      });
      const words = stream.push(beginning.samples).words;
      for await (const { samples } of pieces) words.push(...stream.push(samples).words);
      words.push(...stream.finish());
      results[place] = { text: words.map(({ word }) => word).join(" "), words };
    }
    if (waiting.length > 0) hearWaiting();
    return single ? results[0]! : results;
  }

  /**
   * Understands speech while it comes in: give the stream pieces of sound with `push`, and end it with `finish`.
   *
   * @throws ConfigurationError `ERR_DECODING_OPTION`, `ERR_RECOGNIZER_OPTION`, `ERR_SAMPLE_RATE`
   */
  stream(options: StreamOptions = {}): SpeechStream {
    const {
      sampleRate = this.sampleRate,
      stepSeconds = 0.5,
      contextSeconds = 3,
      lookaheadSeconds = 1,
      pauseSeconds = 0.6,
      ...decoding
    } = options;
    checkSeconds({ stepSeconds, contextSeconds, lookaheadSeconds, pauseSeconds });
    checkDecodingOptions(decoding);
    const frame = this.#frameSamples;
    const samples = (seconds: number): number =>
      Math.max(1, Math.round((seconds * this.sampleRate) / frame)) * frame;
    return new SpeechStream({
      hear: (window) => this.#hear([window])[0]!,
      vocabulary: this.vocabulary,
      sampleRate: this.sampleRate,
      inputRate: sampleRate,
      frame,
      step: samples(stepSeconds),
      left: samples(contextSeconds),
      right: samples(lookaheadSeconds),
      pause: samples(pauseSeconds) / frame,
      longest: samples(LONGEST_UTTERANCE_SECONDS) / frame,
      decoding,
    });
  }

  /** Writes the task to one file: weights, vocabulary and features; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const config: SavedSpeechRecognizer = {
      options: this.#savedOptions(),
      encoder: this.#encoderName,
      vocabulary: this.vocabulary.toJSON(),
      frontEnd: this.frontEnd.options,
    };
    await writeTaskFile(path, TASK_NAME, config, this, {});
  }

  /**
   * Serves the task as it is now over HTTP, in a process of its own: see docs/server.md.
   *
   * @throws ConfigurationError `ERR_SERVE_BACKBONE` for a task with a backbone of your own; `ERR_SERVE_OPTION`
   * @throws CheckpointError `ERR_FILE_WRITE`
   */
  async serve(options?: ServeOptions): Promise<RunningServer> {
    return serveTask(this, "speech-recognizer", options);
  }

  /**
   * A task that `save` has written, ready to predict or to train on.
   *
   * @param options.encoder the same encoder again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   * @throws ConfigurationError `ERR_BACKBONE_MISSING` where the task needs an encoder that was not given
   */
  static async load(path: string, { encoder }: { encoder?: SpeechEncoder } = {}): Promise<SpeechRecognizer> {
    const { config, state } = await readTaskFile(path, TASK_NAME);
    const saved = config as SavedSpeechRecognizer;
    if (saved.encoder === null && encoder === undefined) {
      throw new ConfigurationError(
        "ERR_BACKBONE_MISSING",
        `${path} was saved with an encoder of its own. The file holds its weights but no code: load it with { encoder }.`,
      );
    }
    const task = new SpeechRecognizer({
      ...saved.options,
      encoder: encoder ?? saved.encoder!,
      vocabulary: new Vocabulary(saved.vocabulary.unit, saved.vocabulary.tokens),
      frontEnd: saved.frontEnd,
    });
    restoreState(task, state);
    return task;
  }

  /** Samples of one frame of logits. */
  get #frameSamples(): number {
    return this.frontEnd.hopLength * this.backbone.subsampling;
  }

  get #encoderName(): SpeechEncoderName | null {
    const { encoder = "conv_gru" } = this.#options;
    return typeof encoder === "string" ? encoder : null;
  }

  #loss({ values, lengths }: PaddedSequences, { target, targetLength }: DeviceBatch): tf.Tensor {
    const logProbs = tf.transpose(tf.logSoftmax(values), [1, 0, 2]);
    // A transcript that is too long for its sound teaches nothing, and must not spoil the batch.
    return ctcLoss(logProbs, target, lengths, targetLength, { zeroInfinity: true });
  }

  #evaluate(batch: DeviceBatch, part: "val" | "test"): void {
    const output = this.forward(batch);
    const { wer, cer } = this.#metrics[part];
    const classes = tf.argMax(output.values, 2);
    const within = tf.cast(tf.squeeze(sequenceMask(output.lengths, classes.shape[1]!), [2]), "int32");
    const heard = tf.mul(classes, within);
    for (const metric of [wer, cer]) metric.update(heard, batch.target);
    this.log(`${part}_loss`, this.#loss(output, batch), { progBar: true });
    this.log(`${part}_wer`, wer, { progBar: true });
    this.log(`${part}_cer`, cer);
  }

  #decode(probabilities: LogProbabilities, decoding: DecodingOptions): Transcription {
    return decodeProbabilities(probabilities, this.vocabulary, this, decoding);
  }

  /** The log probabilities of sounds, each as long as its own sound. */
  #hear(sounds: readonly Float32Array[]): LogProbabilities[] {
    const modes = Array.from(this.namedModules(), ([, module]) => [module, module.training] as const);
    this.eval();
    const classes = this.vocabulary.size;
    const { input, length } = padSounds(sounds, { unit: this.#frameSamples });
    const { data, frames, counts } = tf.tidy(() => {
      const { values, lengths } = this.forward({ input: fromHost(input), length: fromHost(length) });
      return {
        data: values.dataSync<"float32">(),
        frames: values.shape[1]!,
        counts: lengths.dataSync<"int32">(),
      };
    });
    for (const [module, training] of modes) module.training = training;
    return sounds.map((_, i) => {
      const start = i * frames * classes;
      return logSoftmax(data.subarray(start, start + counts[i]! * classes), classes);
    });
  }

  #attach(data: SpeechRecognitionData): void {
    if (JSON.stringify(data.vocabulary) !== JSON.stringify(this.vocabulary)) {
      throw new ConfigurationError(
        "ERR_VOCABULARY",
        "The data have another vocabulary than this task was made for. Make a new task for these data, or give the data " +
          "`tokens: task.vocabulary`.",
      );
    }
    data.attachPreprocessing({
      sampleRate: this.sampleRate,
      trainTransforms: [new RandomSpeed(), new RandomGain()],
      unit: this.#frameSamples,
    });
  }

  /** The options as JSON can hold them. */
  #savedOptions(): SavedSpeechRecognizer["options"] {
    const {
      data: _data,
      vocabulary: _vocabulary,
      encoder: _encoder,
      frontEnd: _frontEnd,
      ...options
    } = this.#options;
    return options;
  }
}

/** The beginning of a sound, up to a number of samples or a little more. */
async function takeSeconds(
  pieces: AsyncGenerator<AudioPiece, void>,
  limit: number,
): Promise<{ samples: Float32Array; isWhole: boolean }> {
  const taken: Float32Array[] = [];
  let length = 0;
  let isWhole = false;
  while (length <= limit && !isWhole) {
    const next = await pieces.next();
    isWhole = next.done === true;
    if (next.done === true) break;
    taken.push(next.value.samples);
    length += next.value.samples.length;
  }
  const samples = new Float32Array(length);
  let at = 0;
  for (const piece of taken) {
    samples.set(piece, at);
    at += piece.length;
  }
  return { samples, isWhole };
}

function dropUndefined<T extends object>(options: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
