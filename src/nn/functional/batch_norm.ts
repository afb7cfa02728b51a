/** Batch normalisation (Ioffe and Szegedy, 2015) with the statistics of the batch, and with given ones. */
import type * as tf from "@tensorflow/tfjs-core";
import { fusedBatchNorm, fusedBatchNormInference } from "../../engine/fused/batch_norm.js";

/** Normalised activations, and the statistics of the batch. */
export interface BatchNormResult {
  /** Shaped as the input. */
  output: tf.Tensor;
  /** [channels] */
  mean: tf.Tensor1D;
  /** [channels], biased: the mean of the squared deviations. */
  variance: tf.Tensor1D;
}

/**
 * Normalises each channel by its own mean and variance over all other axes. The gradient flows through `output` to all
 * three tensors, and takes the statistics into account; none flows through the statistics themselves.
 *
 * @param x […, channels]
 * @param gamma [channels], factor
 * @param beta [channels], offset
 * @param eps added to the variance
 */
export function batchNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, eps: number): BatchNormResult {
  const [output, mean, variance] = fusedBatchNorm(x, gamma, beta, eps) as [
    tf.Tensor,
    tf.Tensor1D,
    tf.Tensor1D,
  ];
  return { output, mean, variance };
}

/** Normalises with given statistics, in one factor and one offset for each channel. All tensors but x: [channels]. */
export function batchNormInference(
  x: tf.Tensor,
  mean: tf.Tensor,
  variance: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  eps: number,
): tf.Tensor {
  return fusedBatchNormInference(x, mean, variance, gamma, beta, eps);
}

export { fusedRunningStatistics as runningStatistics } from "../../engine/fused/batch_norm.js";
