/**
 * wav2vec 2.0 (Baevski et al., 2020, https://arxiv.org/abs/2006.11477), with the parameter names of Hugging Face's weight
 * files: convolutions over samples, a convolution for positions, and a transformer.
 */
import * as tf from "@tensorflow/tfjs-core";
import { Dropout, dropout, gelu, LayerNorm, type Linear, Module } from "../nn/index.js";
import { PositionalConvolution } from "./positional_convolution.js";
import { checkHeads, selfAttention, visibleKeys } from "./self_attention.js";
import { SampleEncoder, type Frames, type SampleEncoderOptions } from "./sample_encoder.js";
import type { FeatureExtractorOptions } from "./speech_features.js";
import type { SpecAugmentOptions } from "./spec_augment.js";
import { normalLinear } from "./text_parts.js";
import { renameWeights, withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

/** Named as in a wav2vec 2.0 `config.json`, in camelCase; the defaults are those of the published base model. */
export interface Wav2Vec2Options extends SampleEncoderOptions {
  /** Default: 12. */
  numHiddenLayers?: number;
  /** Default: 12. */
  numAttentionHeads?: number;
  /** Width inside the feed-forward networks. Default: 4 · hiddenSize. */
  intermediateSize?: number;
  /** Kernel of the convolution that gives frames their positions. Default: 128. */
  numConvPosEmbeddings?: number;
  /** Its groups. Default: 16. */
  numConvPosEmbeddingGroups?: number;
  /** Whether norms come before the branches, as in the large models, rather than behind them. Default: false. */
  doStableLayerNorm?: boolean;
  /** Share of the branches' outputs dropped in training. Default: 0.1. */
  hiddenDropout?: number;
  /** Share dropped inside the feed-forward networks in training. Default: 0.1. */
  activationDropout?: number;
  /** Share of the attention probabilities dropped in training. Default: 0.1. */
  attentionDropout?: number;
  /** Probability that a layer is left out, in training (Fan et al., 2019, https://arxiv.org/abs/1909.11556). Default: 0.1. */
  layerdrop?: number;
  /** Deviation of the normal distribution of first weights. Default: 0.02. */
  initializerRange?: number;
}

type Settings = Required<
  Omit<Wav2Vec2Options, keyof FeatureExtractorOptions | keyof SpecAugmentOptions | "featProjDropout">
>;

/** The encoder, without a head. With the defaults 94.4 million parameters. */
export class Wav2Vec2 extends SampleEncoder implements PublishedWeights {
  readonly encoder: Wav2Vec2Encoder;

  /** @throws ConfigurationError `ERR_HEADS` where the heads do not divide the width, `ERR_CONV_LAYERS`, `ERR_GROUPS` */
  constructor(options: Wav2Vec2Options = {}) {
    super(options);
    const {
      hiddenSize = 768,
      numHiddenLayers = 12,
      numAttentionHeads = 12,
      intermediateSize = 4 * hiddenSize,
      numConvPosEmbeddings = 128,
      numConvPosEmbeddingGroups = 16,
      doStableLayerNorm = false,
      layerNormEps = 1e-5,
      hiddenDropout = 0.1,
      activationDropout = 0.1,
      attentionDropout = 0.1,
      layerdrop = 0.1,
      initializerRange = 0.02,
    } = options;
    checkHeads("Wav2Vec2", hiddenSize, numAttentionHeads);
    this.encoder = new Wav2Vec2Encoder({
      hiddenSize,
      numHiddenLayers,
      numAttentionHeads,
      intermediateSize,
      numConvPosEmbeddings,
      numConvPosEmbeddingGroups,
      doStableLayerNorm,
      layerNormEps,
      hiddenDropout,
      activationDropout,
      attentionDropout,
      layerdrop,
      initializerRange,
    });
  }

  fromPublished(weights: Weights): Weights {
    return speechWeights(weights, "wav2vec2");
  }
}

/**
 * With or without the name of the model around it, without heads, and with the names of weight norms from before PyTorch 2.1.
 *
 * @param prefix the name of the encoder in a whole model
 */
export function speechWeights(weights: Weights, prefix: string): Weights {
  const heads = /^(lm_head|quantizer|project_(hid|q)|projector|classifier|dropout_features)\./;
  return renameWeights(withoutWeights(weights, heads), [
    [new RegExp(`^${prefix}\\.`), ""],
    [/\.parametrizations\.weight\.original0$/, ".weight_g"],
    [/\.parametrizations\.weight\.original1$/, ".weight_v"],
  ]);
}

class Wav2Vec2Encoder extends Module<Frames, tf.Tensor> {
  readonly posConvEmbed: PositionalConvolution;
  readonly layerNorm: LayerNorm;
  readonly dropout: Dropout;
  readonly layers: Wav2Vec2EncoderLayer[];
  readonly #normFirst: boolean;
  readonly #layerdrop: number;

  constructor(settings: Settings) {
    super();
    const { hiddenSize, numConvPosEmbeddings, numConvPosEmbeddingGroups } = settings;
    this.posConvEmbed = new PositionalConvolution(
      hiddenSize,
      numConvPosEmbeddings,
      numConvPosEmbeddingGroups,
    );
    this.layerNorm = new LayerNorm(hiddenSize, { eps: settings.layerNormEps });
    this.dropout = new Dropout(settings.hiddenDropout);
    this.layers = Array.from({ length: settings.numHiddenLayers }, () => new Wav2Vec2EncoderLayer(settings));
    this.#normFirst = settings.doStableLayerNorm;
    this.#layerdrop = settings.layerdrop;
  }

  override forward({ hidden, frameMask }: Frames): tf.Tensor {
    const frames = withoutPadding(hidden, frameMask);
    const placed = tf.add(frames, this.posConvEmbed.forward(frames));
    const seen = frameMask === undefined ? undefined : visibleKeys(frameMask);
    const layerdrop = this.training ? this.#layerdrop : 0;
    const start = this.dropout.forward(this.#normFirst ? placed : this.layerNorm.forward(placed));
    const output = this.layers.reduce(
      (x, layer) => maybeSkip(x, layer.forward({ hidden: x, seen }), layerdrop),
      start,
    );
    return this.#normFirst ? this.layerNorm.forward(output) : output;
  }
}

/** Zeros where there is padding. */
export function withoutPadding(hidden: tf.Tensor, frameMask: tf.Tensor | undefined): tf.Tensor {
  return frameMask === undefined ? hidden : tf.mul(hidden, tf.expandDims(frameMask, 2));
}

/**
 * The output of a layer, or with some probability its input. The layer is computed either way, since a step whose operators
 * change is a graph to be compiled.
 */
export function maybeSkip(input: tf.Tensor, output: tf.Tensor, probability: number): tf.Tensor {
  if (probability === 0) return output;
  const kept = tf.mul(dropout(tf.ones([1, 1, 1]), probability), 1 - probability);
  return tf.add(input, tf.mul(tf.sub(output, input), kept));
}

interface AttendedFrames {
  hidden: tf.Tensor;
  /** Added to the attention scores, [batch, 1, 1, frames]. */
  seen: tf.Tensor | undefined;
}

class Wav2Vec2EncoderLayer extends Module<AttendedFrames, tf.Tensor> {
  readonly attention: Wav2Vec2Attention;
  readonly dropout: Dropout;
  readonly layerNorm: LayerNorm;
  readonly feedForward: FeedForward;
  readonly finalLayerNorm: LayerNorm;
  readonly #normFirst: boolean;

  constructor(settings: Settings) {
    super();
    const { hiddenSize, layerNormEps: eps } = settings;
    this.attention = new Wav2Vec2Attention(settings);
    this.dropout = new Dropout(settings.hiddenDropout);
    this.layerNorm = new LayerNorm(hiddenSize, { eps });
    this.feedForward = new FeedForward(settings, gelu);
    this.finalLayerNorm = new LayerNorm(hiddenSize, { eps });
    this.#normFirst = settings.doStableLayerNorm;
  }

  override forward({ hidden, seen }: AttendedFrames): tf.Tensor {
    const attend = (x: tf.Tensor): tf.Tensor =>
      this.dropout.forward(this.attention.forward({ hidden: x, seen }));
    if (this.#normFirst) {
      const attended = tf.add(hidden, attend(this.layerNorm.forward(hidden)));
      return tf.add(attended, this.feedForward.forward(this.finalLayerNorm.forward(attended)));
    }
    const attended = this.layerNorm.forward(tf.add(hidden, attend(hidden)));
    return this.finalLayerNorm.forward(tf.add(attended, this.feedForward.forward(attended)));
  }
}

class Wav2Vec2Attention extends Module<AttendedFrames, tf.Tensor> {
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly qProj: Linear;
  readonly outProj: Linear;
  readonly numHeads: number;
  readonly dropout: number;

  constructor({ hiddenSize, numAttentionHeads, attentionDropout, initializerRange }: Settings) {
    super();
    this.kProj = normalLinear(hiddenSize, hiddenSize, initializerRange);
    this.vProj = normalLinear(hiddenSize, hiddenSize, initializerRange);
    this.qProj = normalLinear(hiddenSize, hiddenSize, initializerRange);
    this.outProj = normalLinear(hiddenSize, hiddenSize, initializerRange);
    this.numHeads = numAttentionHeads;
    this.dropout = attentionDropout;
  }

  override forward({ hidden, seen }: AttendedFrames): tf.Tensor {
    const { qProj: query, kProj: key, vProj: value, numHeads } = this;
    const dropoutP = this.training ? this.dropout : 0;
    return this.outProj.forward(
      selfAttention(hidden, { query, key, value, numHeads, attnMask: seen, dropoutP }),
    );
  }
}

/** What `FeedForward` is made of. */
export interface FeedForwardOptions {
  hiddenSize: number;
  intermediateSize: number;
  activationDropout: number;
  hiddenDropout: number;
  initializerRange: number;
}

/** [batch, frames, hiddenSize] to the same. */
export class FeedForward extends Module {
  readonly intermediateDense: Linear;
  readonly intermediateDropout: Dropout;
  readonly outputDense: Linear;
  readonly outputDropout: Dropout;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor(options: FeedForwardOptions, activation: (x: tf.Tensor) => tf.Tensor) {
    super();
    const { hiddenSize, intermediateSize, initializerRange } = options;
    this.intermediateDense = normalLinear(hiddenSize, intermediateSize, initializerRange);
    this.intermediateDropout = new Dropout(options.activationDropout);
    this.outputDense = normalLinear(intermediateSize, hiddenSize, initializerRange);
    this.outputDropout = new Dropout(options.hiddenDropout);
    this.#activation = activation;
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const hidden = this.intermediateDropout.forward(this.#activation(this.intermediateDense.forward(input)));
    return this.outputDropout.forward(this.outputDense.forward(hidden));
  }
}
