/** The convolution from which wav2vec 2.0 has its positions. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import type { HostTensor } from "../host_tensor.js";
import { conv1d, gelu, init, Module, Parameter } from "../nn/index.js";

/** What is added to frames [batch, frames, width] to tell where they are: Gelu of a wide grouped convolution of them. */
export class PositionalConvolution extends Module {
  readonly conv: WeightNormConvolution;

  /** @throws ConfigurationError `ERR_GROUPS` where the groups do not divide the width */
  constructor(width: number, kernelSize: number, groups: number) {
    super();
    if (width % groups !== 0) {
      throw new ConfigurationError(
        "ERR_GROUPS",
        `The convolution of positions cannot cut ${width} channels into ${groups} equal groups. Choose groups that divide them.`,
      );
    }
    this.conv = new WeightNormConvolution(width, kernelSize, groups);
  }

  override forward(frames: tf.Tensor): tf.Tensor {
    const output = this.conv.forward(frames);
    // An even kernel gives one frame more than it takes.
    return gelu(tf.slice(output, [0, 0, 0], [-1, frames.shape[1]!, -1]));
  }
}

/**
 * A grouped convolution that keeps the length, whose weight is a direction times a length for each place of the kernel
 * (Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868).
 */
class WeightNormConvolution extends Module {
  readonly bias: Parameter;
  /** [1, 1, kernelSize] */
  readonly weightG: Parameter;
  /** [width, width / groups, kernelSize] */
  readonly weightV: Parameter;
  readonly #groups: number;
  readonly #padding: number;

  constructor(width: number, kernelSize: number, groups: number) {
    super();
    const weight = init.normal([width, width / groups, kernelSize], {
      std: 2 / Math.sqrt(kernelSize * width),
    });
    this.bias = new Parameter(init.zeros([width]));
    this.weightG = new Parameter(normsOf(weight));
    this.weightV = new Parameter(weight);
    this.#groups = groups;
    this.#padding = Math.floor(kernelSize / 2);
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const { weightG, weightV } = this;
    const length = tf.sqrt(tf.sum(tf.square(weightV), [0, 1], true));
    const weight = tf.mul(weightV, tf.div(weightG, length));
    return tf.add(conv1d(input, weight, { groups: this.#groups, padding: this.#padding }), this.bias);
  }
}

/** The lengths of all that belongs to one place of the kernel. */
function normsOf({ data, shape }: HostTensor): HostTensor {
  const kernelSize = shape[2]!;
  const squares = init.zeros([1, 1, kernelSize]);
  data.forEach((value, i) => (squares.data[i % kernelSize]! += value * value));
  squares.data.forEach((square, i) => (squares.data[i] = Math.sqrt(square)));
  return squares;
}
