/** One-dimensional convolution of channels-last sequences with PyTorch's weights. */
import * as tf from "@tensorflow/tfjs-core";
import { conv2d } from "./conv2d.js";
import { linear } from "./linear.js";

/** Stride, padding, dilation and groups of a convolution of sequences. */
export interface Conv1dSettings {
  /** Default: 1. */
  stride?: number;
  /** Zeros at both ends. Default: 0. */
  padding?: number;
  /** Default: 1. */
  dilation?: number;
  /** Divides both channel counts. Default: 1. */
  groups?: number;
}

/**
 * One-dimensional convolution with a weight in PyTorch's layout.
 *
 * @param input [batch, length, in]
 * @param weight [out, in / groups, kernelSize]
 * @returns [batch, outLength, out]
 */
export function conv1d(
  input: tf.Tensor,
  weight: tf.Tensor,
  { stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv1dSettings = {},
): tf.Tensor {
  const [out, perGroup, kernelSize] = weight.shape as [number, number, number];
  if (kernelSize === 1 && stride === 1 && padding === 0 && groups === 1) {
    return linear(input, tf.reshape(weight, [out, perGroup]));
  }
  // A sequence is a picture one pixel high.
  const picture = tf.expandDims<tf.Tensor4D>(input, 1);
  const kernel = tf.expandDims<tf.Tensor4D>(weight, 2);
  const output = conv2d(picture, kernel, {
    stride: [1, stride],
    padding: [0, 0, padding, padding],
    dilation: [1, dilation],
    groups,
  });
  return tf.squeeze(output, [1]);
}
