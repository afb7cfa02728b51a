/** From samples to frames: the convolutions that wav2vec 2.0 starts with, and which frames are not padding. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { Conv1d, Dropout, gelu, GroupNorm, init, LayerNorm, Linear, Module } from "../nn/index.js";
import { setValue } from "./initialize.js";

/** The convolutions, named as in a wav2vec 2.0 `config.json`, in camelCase. */
export interface FeatureExtractorOptions {
  /** Channels of each convolution. Default: 512, seven times. */
  convDim?: readonly number[];
  /** Default: 10, 3, 3, 3, 3, 2, 2. */
  convKernel?: readonly number[];
  /** Default: 5, 2, 2, 2, 2, 2, 2: a frame every 20 ms at 16 kHz. */
  convStride?: readonly number[];
  /** Whether the convolutions have a bias. Default: false. */
  convBias?: boolean;
  /** `group`: a norm of each channel behind the first convolution; `layer`: a norm of all channels behind each. Default: group. */
  featExtractNorm?: "group" | "layer";
}

const KERNELS = [10, 3, 3, 3, 3, 2, 2] as const;
const STRIDES = [5, 2, 2, 2, 2, 2, 2] as const;
const NORM_EPS = 1e-5;

/** Samples [batch, samples] to frames [batch, frames, channels]. */
export class FeatureExtractor extends Module {
  readonly convLayers: ConvLayer[];
  /** Channels of the frames. */
  readonly numFeatures: number;
  readonly #kernels: readonly number[];
  readonly #strides: readonly number[];

  /** @throws ConfigurationError `ERR_CONV_LAYERS` where the lists differ in length */
  constructor(options: FeatureExtractorOptions = {}) {
    super();
    const {
      convKernel = KERNELS,
      convStride = STRIDES,
      convBias = false,
      featExtractNorm = "group",
    } = options;
    const { convDim = convKernel.map(() => 512) } = options;
    if (
      convDim.length === 0 ||
      convDim.length !== convKernel.length ||
      convDim.length !== convStride.length
    ) {
      throw new ConfigurationError(
        "ERR_CONV_LAYERS",
        `convDim, convKernel and convStride say of each convolution one number; they hold ${convDim.length}, ` +
          `${convKernel.length} and ${convStride.length}.`,
      );
    }
    this.#kernels = convKernel;
    this.#strides = convStride;
    this.numFeatures = convDim.at(-1)!;
    this.convLayers = convDim.map((outChannels, i) => {
      const norm =
        featExtractNorm === "layer"
          ? new LayerNorm(outChannels, { eps: NORM_EPS })
          : i === 0
            ? new GroupNorm(outChannels, outChannels, { eps: NORM_EPS })
            : undefined;
      const options = { stride: convStride[i]!, bias: convBias };
      return new ConvLayer(new Conv1d(convDim[i - 1] ?? 1, outChannels, convKernel[i]!, options), norm);
    });
  }

  /** @throws ConfigurationError `ERR_AUDIO_TOO_SHORT` for fewer samples than one frame takes */
  override forward(samples: tf.Tensor): tf.Tensor {
    if (this.framesOf(samples.shape[1]!) < 1) {
      throw new ConfigurationError(
        "ERR_AUDIO_TOO_SHORT",
        `${samples.shape[1]} samples are less than one frame takes. Pad the audio, or leave clips this short out.`,
      );
    }
    return this.convLayers.reduce((x, layer) => layer.forward(x), tf.expandDims(samples, 2));
  }

  /** Frames that come out of so many samples. */
  framesOf(samples: number): number {
    return this.#kernels.reduce(
      (length, kernel, i) => Math.max(0, Math.floor((length - kernel) / this.#strides[i]!) + 1),
      samples,
    );
  }

  /**
   * Which frames are of samples that count.
   *
   * @param attentionMask [batch, samples], 1 for samples and 0 for padding behind them
   * @returns float32 [batch, frames], 1 and 0
   */
  frameMask(attentionMask: tf.Tensor): tf.Tensor2D {
    const samples = tf.sum(tf.cast(attentionMask, "float32"), 1, true);
    const lengths = this.#kernels.reduce<tf.Tensor>(
      (length, kernel, i) => tf.add(tf.floor(tf.div(tf.sub(length, kernel), this.#strides[i]!)), 1),
      samples,
    );
    const frames = tf.range(0, this.framesOf(attentionMask.shape[1]!), 1, "float32");
    return tf.cast(tf.less(tf.expandDims(frames, 0), lengths), "float32");
  }
}

class ConvLayer extends Module {
  readonly conv: Conv1d;
  readonly layerNorm: GroupNorm | LayerNorm | undefined;

  constructor(conv: Conv1d, norm: GroupNorm | LayerNorm | undefined) {
    super();
    this.conv = conv;
    this.layerNorm = norm;
    setValue(conv.weight, init.kaimingNormal(conv.weight.shape));
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const output = this.conv.forward(input);
    return gelu(this.layerNorm === undefined ? output : this.layerNorm.forward(output));
  }
}

/** Frames [batch, frames, inFeatures] to [batch, frames, hiddenSize]. */
export class FeatureProjection extends Module {
  readonly layerNorm: LayerNorm;
  readonly projection: Linear;
  readonly dropout: Dropout;

  constructor(inFeatures: number, hiddenSize: number, { eps, dropout }: { eps: number; dropout: number }) {
    super();
    this.layerNorm = new LayerNorm(inFeatures, { eps });
    this.projection = new Linear(inFeatures, hiddenSize);
    this.dropout = new Dropout(dropout);
  }

  override forward(frames: tf.Tensor): tf.Tensor {
    return this.dropout.forward(this.projection.forward(this.layerNorm.forward(frames)));
  }
}
