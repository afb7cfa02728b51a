/** SpeechRecognizer: what is said in a sound, and when. */
import * as tf from "@tensorflow/tfjs-core";
import type { BackboneDtype } from "../../backbones/index.js";
import type { BaseFinetuning, Finetunable, OptimizerConfiguration } from "../../core/index.js";
import { RandomGain, RandomSpeed, type AudioSource } from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import { ctcLoss, Linear } from "../../nn/index.js";
import { exportOnnx, type OnnxExport } from "../../onnx/index.js";
import { getGlobalGenerator } from "../../random.js";
import { filledUp } from "../filled_batch.js";
import { adamWWithWarmup } from "../recipe.js";
import { Task } from "../task.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import type { ManySounds } from "./audio_files.js";
import { logSoftmax, type LogProbabilities } from "./decoding/log_probabilities.js";
import type { Transcription } from "./decoding/words.js";
import {
  createSpeechEncoder,
  isSpeechEncoderName,
  type SpeechEncoderName,
} from "./encoders/create_encoder.js";
import type { Subsampling } from "./encoders/conv_subsampling.js";
import { OnnxSpeechEncoder } from "./encoders/onnx_speech_encoder.js";
import { sequenceMask, type PaddedSequences, type SpeechEncoder } from "./encoders/speech_encoder.js";
import type { AudioExportOptions } from "./export_audio.js";
import { speechRecognizerExport } from "./export_speech_recognizer.js";
import { LogMelFrontEnd, resolveFrontEnd } from "./features/front_end.js";
import {
  changeFeatures,
  drawSpecAugment,
  resolveSpecAugment,
  type FeatureChanges,
  type SpecAugmentOptions,
} from "./features/spec_augment.js";
import type { SpeechFrontEnd } from "./features/speech_front_end.js";
import { TranscriptErrorRate } from "./metrics/transcript_error_rate.js";
import { padSounds, soundsOf } from "./padded_batch.js";
import { loadPretrainedCtc } from "./pretrained_ctc.js";
import { restoreEncoder, savedEncoder, type SavedSpeechRecognizer } from "./saved_speech_recognizer.js";
import { SpeechRecognitionData, type SpeechBatch } from "./speech_recognition_data.js";
import {
  checkFrontEnd,
  checkRecognizerOptions,
  type SpeechRecognizerOptions,
  type StreamOptions,
  type TranscriptionOptions,
} from "./speech_recognizer_options.js";
import { speechReport, type SpeechReport, type SpeechReportPart } from "./speech_report.js";
import { openSpeechStream, type SpeechStream } from "./speech_stream.js";
import { rememberSounds, type TrainedSounds } from "./trained_sounds.js";
import { transcribe, type Transcriber } from "./transcribe.js";
import { marginAt } from "./trim_to_speech.js";
import { Vocabulary, type TokenUnit } from "./transcripts/vocabulary.js";

/** A batch on the device, or what `forward` takes. */
export interface SpeechRecognizerInput extends FeatureChanges {
  /** float32 [batch, samples]; 0 behind each sound's end. */
  input: tf.Tensor;
  /** int32 [batch]: the samples of each. */
  length: tf.Tensor;
}

interface DeviceBatch extends SpeechRecognizerInput {
  target: tf.Tensor;
  targetLength: tf.Tensor;
}

/** Words are few enough a second for half the frames. */
const SUBSAMPLING: Record<TokenUnit, Subsampling> = { characters: 4, words: 8 };
const TASK_NAME = "SpeechRecognizer";
/** Of an encoder that learns from nothing. */
const LEARNING_RATE = 3e-3;
/** Of an encoder that was trained before; its new head learns ten times as fast. */
const FINETUNING_RATE = 1e-4;
const HEAD_FACTOR = 10;

/**
 * Features, an encoder, and a linear layer whose classes CTC (Graves et al., 2006) turns into text; with a recipe
 * that learns by default: AdamW with warm-up and a cosine, SpecAugment, changes of speed and loudness, the weights of the
 * best validation word error rate kept.
 */
export class SpeechRecognizer extends Task<SpeechRecognizerInput, PaddedSequences> implements Finetunable {
  readonly vocabulary: Vocabulary;
  readonly frontEnd: SpeechFrontEnd;
  /** The encoder. */
  readonly backbone: SpeechEncoder;
  readonly head: Linear;
  override monitor = { metric: "val_wer", mode: "min" as const };
  readonly #options: SpeechRecognizerOptions;
  readonly #specAugment: Required<SpecAugmentOptions> | undefined;
  readonly #metrics: Record<"val" | "test", { wer: TranscriptErrorRate; cer: TranscriptErrorRate }>;
  #trained: TrainedSounds | undefined;

  /** @throws ConfigurationError `ERR_RECOGNIZER_OPTION`, `ERR_SUBSAMPLING`, `ERR_MEL_OPTION`, `ERR_SPEC_AUGMENT`, and as `loadSpeechEncoder` */
  constructor(options: SpeechRecognizerOptions) {
    super();
    checkRecognizerOptions(options);
    const { data, encoder = "conv_gru", encoderOptions, frontEnd } = options;
    this.#options = options;
    this.vocabulary = options.vocabulary ?? data!.vocabulary;
    const logMel = new LogMelFrontEnd(resolveFrontEnd(frontEnd));
    this.backbone =
      typeof encoder === "string"
        ? createSpeechEncoder(
            encoder,
            { bands: logMel.numFeatures, subsampling: SUBSAMPLING[this.vocabulary.unit] },
            encoderOptions,
          )
        : encoder;
    this.frontEnd = this.backbone.frontEnd ?? logMel;
    checkFrontEnd(this.frontEnd, this.backbone, options);
    const { specAugment = this.frontEnd.bands === undefined ? false : {} } = options;
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

  /**
   * A published model that was fine-tuned for CTC, such as wav2vec 2.0, HuBERT or WavLM with a head of characters: it predicts
   * as it is, in windows, streams and with a language model, and can be fine-tuned further.
   *
   * @param model a folder, name or repository as `loadSpeechEncoder` takes it, with `tokenizer.json` or `vocab.json`
   * @param options.dtype the type of the weights in the file that is read. Default: `fp32`.
   * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where the model has no head or no tokens of characters, and as
   *   `loadSpeechEncoder`
   */
  static async fromPretrained(
    model: string,
    { dtype }: { dtype?: BackboneDtype } = {},
  ): Promise<SpeechRecognizer> {
    const { encoder, vocabulary, head } = await loadPretrainedCtc(model, dtype);
    const task = new SpeechRecognizer({ encoder, vocabulary });
    task.head.loadStateDict(head);
    return task;
  }

  /** In Hz: what sounds are converted to. */
  get sampleRate(): number {
    return this.frontEnd.sampleRate;
  }

  /** Seconds from one frame of logits to the next. */
  get secondsPerFrame(): number {
    return this.#frameSamples / this.sampleRate;
  }

  /** Waveforms to logits [batch, frames, classes], class 0 being CTC's blank, and how many frames each sound has. */
  override forward({ input, length, ...changes }: SpeechRecognizerInput): PaddedSequences {
    const features = this.frontEnd.forward({ waveforms: input, lengths: length });
    const values = changeFeatures(features.values, changes);
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
    return this.forward(batch as SpeechRecognizerInput);
  }

  override configureOptimizers(): OptimizerConfiguration {
    const isPretrained = this.backbone instanceof OnnxSpeechEncoder;
    const { learningRate = isPretrained ? FINETUNING_RATE : LEARNING_RATE, weightDecay = 0.01 } =
      this.#options;
    const headRate = learningRate * (isPretrained ? HEAD_FACTOR : 1);
    const sets = [
      { parameters: this.backbone.parameters(), lr: learningRate },
      { parameters: this.head.parameters(), lr: headRate },
    ];
    return adamWWithWarmup(sets, { weightDecay, totalSteps: this.trainer.estimatedSteppingBatches });
  }

  /** Any strategy will do. */
  configureFinetuning(_finetuning: BaseFinetuning): void {}

  override configureData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof SpeechRecognitionData) this.#attach(dataModule);
  }

  override onBeforeBatchTransfer(batch: unknown): unknown {
    const { index: _index, ...host } = batch as SpeechBatch;
    if (this.training) {
      this.#trained = rememberSounds(this.#trained, soundsOf(host), this.sampleRate);
    }
    const { bands } = this.frontEnd;
    if (!this.training || this.#specAugment === undefined || bands === undefined) return host;
    const frames = this.frontEnd.batchFrames(host.input.shape[1]!);
    const lengths = Array.from(host.length.data, (samples) => Math.max(1, this.frontEnd.frames(samples)));
    return { ...host, ...drawSpecAugment(getGlobalGenerator(), lengths, frames, bands, this.#specAugment) };
  }

  /**
   * Writes down what is said: one sound gives one answer; a list, a folder or a pattern gives many. What lies between silences is
   * heard by itself, so that a long sound gives the words that its utterances give one by one. Utterances that are longer than
   * what was trained on are cut where there is a pause, and heard in overlapping windows where there is none. A recogniser that
   * was trained elsewhere hears a sound as a whole, unless it is too long.
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
    return transcribe(this.#transcriber, input, options);
  }

  /**
   * What is understood of a part of the data: error rates of words and characters, and the sounds with the most wrong words.
   *
   * @param options.part default `test`
   * @param options.decoding how predictions are decoded; default as in `predict`
   * @throws ConfigurationError `ERR_PARTS` for a part that the data do not list, `ERR_VOCABULARY`, `ERR_DECODING_OPTION`
   * @throws DataError naming a file that cannot be decoded
   */
  async report(
    data: SpeechRecognitionData,
    { part = "test", decoding = {} }: { part?: SpeechReportPart; decoding?: TranscriptionOptions } = {},
  ): Promise<SpeechReport> {
    this.#attach(data);
    return speechReport(data, part, async (sounds) =>
      (await this.predict(sounds, decoding)).map(({ text }) => text),
    );
  }

  /**
   * Understands speech while it comes in: give the stream pieces of sound with `push`, and end it with `finish`.
   *
   * @throws ConfigurationError `ERR_DECODING_OPTION`, `ERR_RECOGNIZER_OPTION`, `ERR_SAMPLE_RATE`
   */
  stream(options: StreamOptions = {}): SpeechStream {
    const { sampleRate, vocabulary } = this;
    const hear = (window: Float32Array): LogProbabilities => this.#hear([window])[0]!;
    return openSpeechStream({ hear, vocabulary, sampleRate, frame: this.#frameSamples }, options);
  }

  /** Writes the task to one file: weights, vocabulary and features; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const config: SavedSpeechRecognizer = {
      options: this.#savedOptions(),
      encoder: this.#encoderName,
      vocabulary: this.vocabulary.toJSON(),
      frontEnd: this.frontEnd instanceof LogMelFrontEnd ? this.frontEnd.options : null,
      trained: this.#trained ?? null,
    };
    const { files, holdsWeights } = savedEncoder(this.backbone);
    await writeTaskFile(path, TASK_NAME, config, holdsWeights ? this.head : this, files);
  }

  /**
   * A task that `save` has written, ready to predict or to train on.
   *
   * @param options.encoder the same encoder again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   * @throws ConfigurationError `ERR_BACKBONE_MISSING` where the task needs an encoder that was not given
   */
  static async load(path: string, { encoder }: { encoder?: SpeechEncoder } = {}): Promise<SpeechRecognizer> {
    const { config, state, files } = await readTaskFile(path, TASK_NAME);
    const saved = config as SavedSpeechRecognizer;
    const task = new SpeechRecognizer({
      ...saved.options,
      encoder: encoder ?? restoreEncoder(path, saved, files),
      vocabulary: new Vocabulary(saved.vocabulary.unit, saved.vocabulary.tokens),
      ...(saved.frontEnd !== null && { frontEnd: saved.frontEnd }),
    });
    // The encoder's files may hold its weights.
    restoreState("weight" in state ? task.head : task, state);
    task.#trained = saved.trained ?? undefined;
    return task;
  }

  /**
   * Writes the task to one ONNX file that any ONNX runtime runs, after running it beside this task. It takes any number of
   * sounds of any length at `sampleRate`: `waveforms`, float32 [batch, samples] with zeros behind each sound's end, and
   * `lengths`, int64 [batch], their samples. It gives `logits`, float32 [batch, frames, classes], and `logit_lengths`,
   * int32 [batch], the frames of each. The metadata `labels` are the tokens, of which number 0 is CTC's blank;
   * `kindling.task` has the sample rate and the seconds of a frame too. Features are part of the graph; decoding is not, nor is
   * cutting sounds into utterances, which `predict` does. For an encoder of samples, sounds must be padded to at least one frame.
   *
   * @throws as the function `exportOnnx`
   */
  async exportOnnx(path: string, options: AudioExportOptions = {}): Promise<OnnxExport> {
    return exportOnnx(this, path, speechRecognizerExport(this, options));
  }

  /** Samples of one frame of logits. */
  get #frameSamples(): number {
    return this.frontEnd.hopLength * this.backbone.subsampling;
  }

  get #encoderName(): SpeechEncoderName | null {
    const { encoder = "conv_gru" } = this.#options;
    return typeof encoder === "string" && isSpeechEncoderName(encoder) ? encoder : null;
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

  get #transcriber(): Transcriber {
    return {
      sampleRate: this.sampleRate,
      frame: this.#frameSamples,
      maxSamples: this.frontEnd.maxSamples,
      trained: this.#trained,
      vocabulary: this.vocabulary,
      hear: (sounds) => this.#hear(sounds),
    };
  }

  /** The log probabilities of sounds, each as long as its own sound. */
  #hear(sounds: readonly Float32Array[]): LogProbabilities[] {
    const classes = this.vocabulary.size;
    const { input, length } = padSounds(filledUp(sounds), {
      unit: this.#frameSamples,
      maximum: this.frontEnd.maxSamples,
    });
    const { values, lengths } = inEvalMode(this, () =>
      tf.tidy(() => ({ ...this.forward({ input: fromHost(input), length: fromHost(length) }) })),
    );
    const frames = values.shape[1]!;
    const data = values.dataSync<"float32">();
    const counts = lengths.dataSync<"int32">();
    tf.dispose([values, lengths]);
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
      margin: marginAt(this.sampleRate),
      ...(Number.isFinite(this.frontEnd.maxSamples) && { maximum: this.frontEnd.maxSamples }),
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
