/**
 * The conformer (Gulati et al., 2020, https://arxiv.org/abs/2005.08100): half a feed-forward network, attention, a
 * convolution, and another half. Its blocks have the parameter names of Hugging Face's `wav2vec2-conformer` files.
 */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError, describeChoices } from "../errors.js";
import { BatchNorm1d, Conv1d, Dropout, gelu, init, LayerNorm, Module, silu } from "../nn/index.js";
import { ConformerAttention, type AttendedFrames, type ConformerPositions } from "./conformer_attention.js";
import { setValue } from "./initialize.js";
import { checkHeads, visibleKeys } from "./self_attention.js";
import type { Frames } from "./sample_encoder.js";
import { FeedForward, maybeSkip, withoutPadding } from "./wav2vec2.js";

const activations = { gelu: (x: tf.Tensor) => gelu(x), swish: silu };
const positionTypes: readonly ConformerPositions[] = ["relative", "rotary", "none"];

/** Named as in a wav2vec 2.0 conformer's `config.json`, in camelCase; the defaults are the paper's size S. */
export interface ConformerOptions {
  /** Width of the frames. Default: 144. */
  hiddenSize?: number;
  /** Default: 16. */
  numHiddenLayers?: number;
  /** Default: 4. */
  numAttentionHeads?: number;
  /** Width inside the feed-forward networks. Default: 4 · hiddenSize. */
  intermediateSize?: number;
  /** Default: swish. */
  hiddenAct?: "swish" | "gelu";
  /** Frames that the convolution of a block sees; odd. Default: 31. */
  convDepthwiseKernelSize?: number;
  /** How attention knows of places. Default: relative. */
  positionEmbeddingsType?: ConformerPositions;
  /** Base of rotary positions' wave lengths. Default: 10000. */
  rotaryEmbeddingBase?: number;
  /** Of the norm behind the last block. Default: 1e-5. */
  layerNormEps?: number;
  /** Share of the feed-forward networks' outputs dropped in training. Default: 0.1. */
  hiddenDropout?: number;
  /** Share dropped inside the feed-forward networks in training. Default: 0.1. */
  activationDropout?: number;
  /** Share of the attention probabilities and outputs dropped in training. Default: 0.1. */
  attentionDropout?: number;
  /** Share of the convolutions' outputs dropped in training. Default: 0.1. */
  conformerConvDropout?: number;
  /** Probability that a block is left out, in training. Default: 0. */
  layerdrop?: number;
  /** Deviation of the normal distribution of first weights. Default: 0.02. */
  initializerRange?: number;
}

type Settings = Required<ConformerOptions>;

/**
 * Frames [batch, frames, hiddenSize] to the same. Padding stays 0 and reaches no frame: neither attention nor the
 * convolutions see it.
 */
export class ConformerEncoder extends Module<Frames, tf.Tensor> {
  readonly numFeatures: number;
  readonly layerNorm: LayerNorm;
  readonly dropout: Dropout;
  readonly layers: ConformerBlock[];
  readonly #layerdrop: number;

  /**
   * @throws ConfigurationError `ERR_HEADS` where the heads do not divide the width; `ERR_CONFORMER_OPTION` for an even
   *   kernel, an odd head that cannot be rotated, and for positions or activations that there are not
   */
  constructor({
    hiddenSize = 144,
    numHiddenLayers = 16,
    numAttentionHeads = 4,
    intermediateSize = 4 * hiddenSize,
    hiddenAct = "swish",
    convDepthwiseKernelSize = 31,
    positionEmbeddingsType = "relative",
    rotaryEmbeddingBase = 10_000,
    layerNormEps = 1e-5,
    hiddenDropout = 0.1,
    activationDropout = 0.1,
    attentionDropout = 0.1,
    conformerConvDropout = 0.1,
    layerdrop = 0,
    initializerRange = 0.02,
  }: ConformerOptions = {}) {
    super();
    const settings = {
      hiddenSize,
      numHiddenLayers,
      numAttentionHeads,
      intermediateSize,
      hiddenAct,
      convDepthwiseKernelSize,
      positionEmbeddingsType,
      rotaryEmbeddingBase,
      layerNormEps,
      hiddenDropout,
      activationDropout,
      attentionDropout,
      conformerConvDropout,
      layerdrop,
      initializerRange,
    };
    checkSettings(settings);
    this.numFeatures = hiddenSize;
    this.layerNorm = new LayerNorm(hiddenSize, { eps: layerNormEps });
    this.dropout = new Dropout(hiddenDropout);
    this.layers = Array.from({ length: numHiddenLayers }, () => new ConformerBlock(settings));
    this.#layerdrop = layerdrop;
  }

  override forward({ hidden, frameMask }: Frames): tf.Tensor {
    const seen = frameMask === undefined ? undefined : visibleKeys(frameMask);
    const layerdrop = this.training ? this.#layerdrop : 0;
    const output = this.layers.reduce(
      (x, layer) => maybeSkip(x, layer.forward({ hidden: x, seen, frameMask }), layerdrop),
      this.dropout.forward(withoutPadding(hidden, frameMask)),
    );
    return withoutPadding(this.layerNorm.forward(output), frameMask);
  }
}

type BlockInput = AttendedFrames & Frames;

class ConformerBlock extends Module<BlockInput, tf.Tensor> {
  readonly ffn1LayerNorm: LayerNorm;
  readonly ffn1: FeedForward;
  readonly selfAttnLayerNorm: LayerNorm;
  readonly selfAttnDropout: Dropout;
  readonly selfAttn: ConformerAttention;
  readonly convModule: ConvolutionModule;
  readonly ffn2LayerNorm: LayerNorm;
  readonly ffn2: FeedForward;
  readonly finalLayerNorm: LayerNorm;

  constructor(settings: Settings) {
    super();
    const { hiddenSize, hiddenAct } = settings;
    this.ffn1LayerNorm = new LayerNorm(hiddenSize);
    this.ffn1 = new FeedForward(settings, activations[hiddenAct]);
    this.selfAttnLayerNorm = new LayerNorm(hiddenSize);
    this.selfAttnDropout = new Dropout(settings.attentionDropout);
    this.selfAttn = new ConformerAttention(settings);
    this.convModule = new ConvolutionModule(settings);
    this.ffn2LayerNorm = new LayerNorm(hiddenSize);
    this.ffn2 = new FeedForward(settings, activations[hiddenAct]);
    this.finalLayerNorm = new LayerNorm(hiddenSize);
  }

  override forward({ hidden, seen, frameMask }: BlockInput): tf.Tensor {
    const half = tf.add(hidden, tf.mul(this.ffn1.forward(this.ffn1LayerNorm.forward(hidden)), 0.5));
    const attended = this.selfAttn.forward({ hidden: this.selfAttnLayerNorm.forward(half), seen });
    const mixed = tf.add(half, this.selfAttnDropout.forward(attended));
    const convolved = tf.add(mixed, this.convModule.forward({ hidden: mixed, frameMask }));
    const second = this.ffn2.forward(this.ffn2LayerNorm.forward(convolved));
    return this.finalLayerNorm.forward(tf.add(convolved, tf.mul(second, 0.5)));
  }
}

/** A gate, a convolution of each channel along the frames, a batch norm and an activation, between two products. */
class ConvolutionModule extends Module<Frames, tf.Tensor> {
  readonly layerNorm: LayerNorm;
  readonly pointwiseConv1: Conv1d;
  readonly depthwiseConv: Conv1d;
  readonly batchNorm: BatchNorm1d;
  readonly pointwiseConv2: Conv1d;
  readonly dropout: Dropout;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor({ hiddenSize, convDepthwiseKernelSize, conformerConvDropout, hiddenAct }: Settings) {
    super();
    this.layerNorm = new LayerNorm(hiddenSize);
    this.pointwiseConv1 = new Conv1d(hiddenSize, 2 * hiddenSize, 1, { bias: false });
    this.depthwiseConv = new Conv1d(hiddenSize, hiddenSize, convDepthwiseKernelSize, {
      padding: (convDepthwiseKernelSize - 1) / 2,
      groups: hiddenSize,
      bias: false,
    });
    this.batchNorm = new BatchNorm1d(hiddenSize);
    this.pointwiseConv2 = new Conv1d(hiddenSize, hiddenSize, 1, { bias: false });
    this.dropout = new Dropout(conformerConvDropout);
    this.#activation = activations[hiddenAct];
    for (const { weight } of [this.pointwiseConv1, this.depthwiseConv, this.pointwiseConv2]) {
      setValue(weight, init.kaimingNormal(weight.shape));
    }
  }

  override forward({ hidden, frameMask }: Frames): tf.Tensor {
    const doubled = this.pointwiseConv1.forward(this.layerNorm.forward(hidden));
    const [values, gates] = tf.split(doubled, 2, 2) as [tf.Tensor, tf.Tensor];
    const gated = withoutPadding(tf.mul(values, tf.sigmoid(gates)), frameMask);
    const convolved = this.#activation(this.batchNorm.forward(this.depthwiseConv.forward(gated)));
    return this.dropout.forward(this.pointwiseConv2.forward(convolved));
  }
}

function checkSettings(settings: Settings): void {
  const { hiddenSize, numAttentionHeads, positionEmbeddingsType, hiddenAct } = settings;
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_CONFORMER_OPTION", message);
  };
  checkHeads("ConformerEncoder", hiddenSize, numAttentionHeads);
  if (settings.convDepthwiseKernelSize % 2 === 0) {
    refuse(
      `\`convDepthwiseKernelSize\` is odd, so that frames stay in their places, not ${settings.convDepthwiseKernelSize}.`,
    );
  }
  if (!positionTypes.includes(positionEmbeddingsType)) {
    refuse(
      `There is no \`positionEmbeddingsType\` ${JSON.stringify(positionEmbeddingsType)}. ` +
        describeChoices(positionEmbeddingsType, positionTypes),
    );
  }
  if (!Object.hasOwn(activations, hiddenAct)) {
    refuse(
      `There is no \`hiddenAct\` ${JSON.stringify(hiddenAct)}. ${describeChoices(hiddenAct, Object.keys(activations))}`,
    );
  }
  if (positionEmbeddingsType === "rotary" && (hiddenSize / numAttentionHeads) % 2 === 1) {
    refuse(
      `Rotary positions turn the halves of a head, and heads of ${hiddenSize / numAttentionHeads} have none.`,
    );
  }
}
