/** Conv2d: convolution of channels-last pictures. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { conv2d, type Conv2dSettings } from "../functional/conv2d.js";
import { defaultUniform } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { checkPictures, formatShape, pair, type Pair } from "../shape_checks.js";

/** Options of `Conv2d`. */
export interface Conv2dOptions {
  /** Default: 1. */
  stride?: Pair;
  /** Zeros on both sides of each axis, or `same`: as many as keep the size at stride 1. Default: 0. */
  padding?: Pair | "same";
  /** Distance between the points of the kernel. Default: 1. */
  dilation?: Pair;
  /** Both channel counts are cut into this many groups, convolved apart; inChannels makes it depthwise. Default: 1. */
  groups?: number;
  /** Whether to add a bias. Default: true. */
  bias?: boolean;
}

/** [batch, height, width, inChannels] to [batch, outHeight, outWidth, outChannels], with PyTorch's sizes. */
export class Conv2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly settings: Conv2dSettings;
  /** [outChannels, inChannels / groups, kernelHeight, kernelWidth] */
  readonly weight: Parameter;
  /** [outChannels] */
  readonly bias: Parameter | null;

  /** @throws ConfigurationError if `groups` does not divide both channel counts, or for `same` with a stride */
  constructor(inChannels: number, outChannels: number, kernelSize: Pair, options: Conv2dOptions = {}) {
    super();
    const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = options;
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ConfigurationError(
        "ERR_GROUPS",
        `Conv2d cannot cut ${inChannels} input and ${outChannels} output channels into ${groups} equal groups. ` +
          "Choose groups that divide both.",
      );
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pair(kernelSize);
    // Frozen numbers are recognised at a glance from one step to the next.
    this.settings = {
      stride: Object.freeze([...pair(stride)] as const),
      dilation: Object.freeze([...pair(dilation)] as const),
      groups,
      padding: Object.freeze(sides(padding, this.kernelSize, pair(dilation), pair(stride))),
    };
    const shape = [outChannels, inChannels / groups, ...this.kernelSize];
    const fanIn = (inChannels / groups) * this.kernelSize[0] * this.kernelSize[1];
    this.weight = new Parameter(defaultUniform(shape, fanIn));
    this.bias = bias ? new Parameter(defaultUniform([outChannels], fanIn)) : null;
  }

  forward(input: tf.Tensor): tf.Tensor {
    checkPictures("Conv2d", input, this.inChannels);
    const weight = this.weight as tf.Tensor as tf.Tensor4D;
    const output = conv2d(input as tf.Tensor4D, weight, this.settings);
    return this.bias === null ? output : tf.add(output, this.bias);
  }
}

function sides(
  padding: Pair | "same",
  kernelSize: readonly [number, number],
  dilation: readonly [number, number],
  stride: readonly [number, number],
): [number, number, number, number] {
  if (padding !== "same") {
    const [vertical, horizontal] = pair(padding);
    return [vertical, vertical, horizontal, horizontal];
  }
  if (stride.some((step) => step !== 1)) {
    throw new ConfigurationError(
      "ERR_PADDING",
      `Conv2d's padding "same" keeps the size only at stride 1, not at ${formatShape(stride)}. Give the padding as a number.`,
    );
  }
  const [vertical, horizontal] = kernelSize.map((length, axis) => (length - 1) * dilation[axis]!) as [
    number,
    number,
  ];
  const [top, left] = [Math.floor(vertical / 2), Math.floor(horizontal / 2)];
  return [top, vertical - top, left, horizontal - left];
}
