/** What wav2vec 2.0 and its conformer have in common: samples become frames, some are hidden in training, an encoder follows. */
import type * as tf from "@tensorflow/tfjs-core";
import { Module } from "../nn/index.js";
import { SpecAugment, type SpecAugmentOptions } from "./spec_augment.js";
import { FeatureExtractor, FeatureProjection, type FeatureExtractorOptions } from "./speech_features.js";

/** A batch of sounds. */
export interface SpeechInput {
  /** float32 [batch, samples], at 16 kHz, each of mean 0 and deviation 1 */
  inputValues: tf.Tensor;
  /**
   * [batch, samples], 1 for samples and 0 for padding behind them. The published base models were trained without: pad
   * with zeros and leave it out. Default: no padding.
   */
  attentionMask?: tf.Tensor;
}

/** What encoders of speech give for a batch. */
export interface SpeechOutput {
  /** [batch, frames, hiddenSize] */
  lastHiddenState: tf.Tensor;
  /** [batch, frames], 1 for frames and 0 for padding; undefined where there is none. */
  frameMask: tf.Tensor | undefined;
}

/** Frames on their way through the encoder. */
export interface Frames {
  /** [batch, frames, hiddenSize] */
  hidden: tf.Tensor;
  /** [batch, frames], 1 for frames and 0 for padding. */
  frameMask: tf.Tensor | undefined;
}

/** Options of everything before the encoder. */
export interface SampleEncoderOptions extends FeatureExtractorOptions, SpecAugmentOptions {
  /** Width of the frames. Default: 768. */
  hiddenSize?: number;
  /** Default: 1e-5. */
  layerNormEps?: number;
  /** Share of the projected frames dropped in training. Default: 0. */
  featProjDropout?: number;
}

/** Samples to frames. */
export abstract class SampleEncoder extends Module<SpeechInput, SpeechOutput> {
  readonly numFeatures: number;
  /** [hiddenSize]: what stands for hidden frames; null where none are hidden. */
  readonly maskedSpecEmbed: SpecAugment["embedding"];
  readonly featureExtractor: FeatureExtractor;
  readonly featureProjection: FeatureProjection;
  abstract readonly encoder: Module<Frames, tf.Tensor>;
  readonly #augment: SpecAugment;

  /** @throws ConfigurationError `ERR_CONV_LAYERS` */
  constructor(options: SampleEncoderOptions) {
    super();
    const { hiddenSize = 768, layerNormEps: eps = 1e-5, featProjDropout: dropout = 0 } = options;
    this.numFeatures = hiddenSize;
    this.#augment = new SpecAugment(hiddenSize, options);
    this.maskedSpecEmbed = this.#augment.embedding;
    this.featureExtractor = new FeatureExtractor(options);
    const { numFeatures } = this.featureExtractor;
    this.featureProjection = new FeatureProjection(numFeatures, hiddenSize, { eps, dropout });
  }

  /** @throws ConfigurationError `ERR_AUDIO_TOO_SHORT` for fewer samples than one frame takes */
  override forward({ inputValues, attentionMask }: SpeechInput): SpeechOutput {
    const projected = this.featureProjection.forward(this.featureExtractor.forward(inputValues));
    const frameMask =
      attentionMask === undefined ? undefined : this.featureExtractor.frameMask(attentionMask);
    const hidden = this.training ? this.#augment.apply(projected, frameMask) : projected;
    return { lastHiddenState: this.encoder.forward({ hidden, frameMask }), frameMask };
  }
}
