/** Pooling of channels-last pictures, with PyTorch's sizes and padding. */
import * as tf from "@tensorflow/tfjs-core";
import { Module } from "../module.js";
import { checkPictures, pair, type Pair } from "../shape_checks.js";

/** Options of pooling layers. */
export interface PoolOptions {
  /** Default: the kernel size. */
  stride?: Pair;
  /** Values on both sides of each axis, at most half the kernel: -∞ for the maximum, 0 for the mean. Default: 0. */
  padding?: Pair;
}

abstract class Pool2d extends Module {
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];

  constructor(kernelSize: Pair, { stride = kernelSize, padding = 0 }: PoolOptions = {}) {
    super();
    this.kernelSize = pair(kernelSize);
    this.stride = pair(stride);
    this.padding = pair(padding);
  }

  protected get explicitPadding(): [[number, number], [number, number], [number, number], [number, number]] {
    const [vertical, horizontal] = this.padding;
    return [
      [0, 0],
      [vertical, vertical],
      [horizontal, horizontal],
      [0, 0],
    ];
  }
}

/** The largest value of each window. */
export class MaxPool2d extends Pool2d {
  forward(input: tf.Tensor): tf.Tensor {
    checkPictures("MaxPool2d", input);
    return tf.maxPool(input as tf.Tensor4D, [...this.kernelSize], [...this.stride], this.explicitPadding);
  }
}

/** The mean of each window, zeros of the padding included. */
export class AvgPool2d extends Pool2d {
  forward(input: tf.Tensor): tf.Tensor {
    checkPictures("AvgPool2d", input);
    const padded = this.padding.some((size) => size > 0) ? tf.pad(input, this.explicitPadding) : input;
    return tf.avgPool(padded as tf.Tensor4D, [...this.kernelSize], [...this.stride], "valid");
  }
}

/** The mean of each channel: [batch, height, width, channels] to [batch, 1, 1, channels]. PyTorch's AdaptiveAvgPool2d(1). */
export class GlobalAvgPool2d extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    checkPictures("GlobalAvgPool2d", input);
    return tf.mean(input, [1, 2], true);
  }
}
