/** The conformer: attention for what is far, convolution for what is near. */
import * as tf from "@tensorflow/tfjs-core";
import {
  Conv1d,
  Dropout,
  LayerNorm,
  Linear,
  Module,
  MultiheadAttention,
  sigmoid,
  silu,
} from "../../../nn/index.js";
import { ConvSubsampling, type Subsampling } from "./conv_subsampling.js";
import { sequenceMask, SpeechEncoder, type PaddedSequences } from "./speech_encoder.js";

/** Options of `ConformerEncoder`. */
export interface ConformerEncoderOptions {
  /** Frames of features for one state. Default: 4. */
  subsampling?: Subsampling;
  /** Of the convolutions that halve the frames. Default: 32. */
  channels?: number;
  /** Width of the layers. Default: 144. */
  dModel?: number;
  /** Default: 4. */
  numHeads?: number;
  /** Default: 4. */
  numLayers?: number;
  /** Of the depthwise convolutions, an odd number of frames. Default: 15. */
  kernelSize?: number;
  /** Default: 0.1. */
  dropout?: number;
}

/**
 * Gulati et al., "Conformer" (2020, https://arxiv.org/abs/2005.08100), with sinusoidal positions added at the beginning
 * rather than relative ones in each layer, and layer norm in the convolution's place of batch norm.
 */
export class ConformerEncoder extends SpeechEncoder {
  readonly subsampling: Subsampling;
  readonly numFeatures: number;
  readonly subsample: ConvSubsampling;
  readonly project: Linear;
  readonly dropout: Dropout;
  readonly layers: ConformerLayer[];

  /** @param bands of the features @throws ConfigurationError `ERR_SUBSAMPLING` */
  constructor(bands: number, options: ConformerEncoderOptions = {}) {
    super();
    const {
      subsampling = 4,
      channels = 32,
      dModel = 144,
      numHeads = 4,
      numLayers = 4,
      kernelSize = 15,
      dropout = 0.1,
    } = options;
    this.subsampling = subsampling;
    this.numFeatures = dModel;
    this.subsample = new ConvSubsampling(bands, channels, subsampling);
    this.project = new Linear(this.subsample.outFeatures, dModel);
    this.dropout = new Dropout(dropout);
    this.layers = Array.from({ length: numLayers }, () => {
      return new ConformerLayer(dModel, { numHeads, kernelSize, dropout });
    });
  }

  forward(input: PaddedSequences): PaddedSequences {
    const { values, lengths } = this.subsample.forward(input);
    const frames = values.shape[1]!;
    const mask = sequenceMask(lengths, frames);
    const positions = sinusoids(frames, this.numFeatures);
    let x = this.dropout.forward(tf.add(this.project.forward(values), positions));
    for (const layer of this.layers) x = layer.forward({ x, mask });
    return { values: tf.mul(x, mask), lengths };
  }
}

interface MaskedSequence {
  x: tf.Tensor;
  mask: tf.Tensor;
}

class ConformerLayer extends Module<MaskedSequence, tf.Tensor> {
  readonly feedForward1: FeedForward;
  readonly attentionNorm: LayerNorm;
  readonly attention: MultiheadAttention;
  readonly convolution: ConvolutionModule;
  readonly feedForward2: FeedForward;
  readonly norm: LayerNorm;
  readonly dropout: Dropout;

  constructor(dModel: number, options: { numHeads: number; kernelSize: number; dropout: number }) {
    super();
    const { numHeads, kernelSize, dropout } = options;
    this.feedForward1 = new FeedForward(dModel, dropout);
    this.attentionNorm = new LayerNorm(dModel);
    this.attention = new MultiheadAttention(dModel, numHeads, { dropout, batchFirst: true });
    this.convolution = new ConvolutionModule(dModel, kernelSize, dropout);
    this.feedForward2 = new FeedForward(dModel, dropout);
    this.norm = new LayerNorm(dModel);
    this.dropout = new Dropout(dropout);
  }

  forward({ x, mask }: MaskedSequence): tf.Tensor {
    let result = tf.add(x, tf.mul(this.feedForward1.forward(x), 0.5));
    const normed = this.attentionNorm.forward(result);
    const keyPaddingMask = tf.equal(tf.squeeze(mask, [2]), 0);
    const attended = this.attention.forward(normed, normed, normed, { keyPaddingMask });
    result = tf.add(result, this.dropout.forward(attended));
    result = tf.add(result, this.convolution.forward({ x: result, mask }));
    result = tf.add(result, tf.mul(this.feedForward2.forward(result), 0.5));
    return this.norm.forward(result);
  }
}

class FeedForward extends Module {
  readonly norm: LayerNorm;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly dropout: Dropout;

  constructor(dModel: number, dropout: number) {
    super();
    this.norm = new LayerNorm(dModel);
    this.linear1 = new Linear(dModel, 4 * dModel);
    this.linear2 = new Linear(4 * dModel, dModel);
    this.dropout = new Dropout(dropout);
  }

  forward(x: tf.Tensor): tf.Tensor {
    const hidden = this.dropout.forward(silu(this.linear1.forward(this.norm.forward(x))));
    return this.dropout.forward(this.linear2.forward(hidden));
  }
}

class ConvolutionModule extends Module<MaskedSequence, tf.Tensor> {
  readonly norm: LayerNorm;
  readonly pointwise1: Linear;
  readonly depthwise: Conv1d;
  readonly depthwiseNorm: LayerNorm;
  readonly pointwise2: Linear;
  readonly dropout: Dropout;

  constructor(dModel: number, kernelSize: number, dropout: number) {
    super();
    this.norm = new LayerNorm(dModel);
    this.pointwise1 = new Linear(dModel, 2 * dModel);
    this.depthwise = new Conv1d(dModel, dModel, kernelSize, {
      padding: (kernelSize - 1) / 2,
      groups: dModel,
    });
    this.depthwiseNorm = new LayerNorm(dModel);
    this.pointwise2 = new Linear(dModel, dModel);
    this.dropout = new Dropout(dropout);
  }

  forward({ x, mask }: MaskedSequence): tf.Tensor {
    const [gated, gate] = tf.split(this.pointwise1.forward(this.norm.forward(x)), 2, 2) as [
      tf.Tensor,
      tf.Tensor,
    ];
    const glu = tf.mul(tf.mul(gated, sigmoid(gate)), mask);
    const local = silu(this.depthwiseNorm.forward(this.depthwise.forward(glu)));
    return this.dropout.forward(this.pointwise2.forward(local));
  }
}

/** Vaswani et al.'s position codes (2017): [length, width], sines and cosines in turn; a cosine is a sine a quarter ahead. */
function sinusoids(length: number, width: number): tf.Tensor {
  const columns = Array.from({ length: width }, (_, i) => i);
  const rates = columns.map((i) => Math.exp((-Math.log(10000) * (i - (i % 2))) / width));
  const phases = columns.map((i) => ((i % 2) * Math.PI) / 2);
  const positions = tf.reshape(tf.range(0, length, 1, "float32"), [length, 1]);
  return tf.sin(tf.add(tf.mul(positions, tf.tensor2d(rates, [1, width])), tf.tensor2d(phases, [1, width])));
}
