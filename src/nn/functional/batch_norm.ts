/** Batch normalisation (Ioffe and Szegedy, 2015) with the statistics of the batch, and with given ones. */
import * as tf from "@tensorflow/tfjs-core";

export interface BatchNormResult {
  /** Shaped as the input. */
  output: tf.Tensor;
  /** [channels] */
  mean: tf.Tensor1D;
  /** [channels], biased: the mean of the squared deviations. */
  variance: tf.Tensor1D;
}

/**
 * Normalises each channel by its own mean and variance over all other axes. The variance is taken in a second pass over
 * the centred input. The gradient flows through `output` to all three tensors, and takes the statistics into account.
 *
 * @param x […, channels]
 * @param gamma [channels], factor
 * @param beta [channels], offset
 * @param eps added to the variance
 */
export function batchNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, eps: number): BatchNormResult {
  const axes = Array.from({ length: x.rank - 1 }, (_, axis) => axis);
  const mean = tf.mean<tf.Tensor1D>(x, axes);
  const centred = tf.sub(x, mean);
  const variance = tf.mean<tf.Tensor1D>(tf.square(centred), axes);
  const rstd = tf.rsqrt(tf.add(variance, eps));

  const normalise = tf.customGrad((...inputs) => {
    const [, factor, offset, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([centred, rstd, factor]);
    const value = tf.add(tf.mul(centred, tf.mul(factor, rstd)), offset);
    return { value, gradFunc: (dy, saved) => batchNormGradient(dy, saved, axes) };
  });
  return { output: normalise(x, gamma, beta), mean, variance };
}

/**
 * With n values a channel and s = rstd:
 * dx = gamma · s · (dy - mean(dy) - centred · s² · mean(dy · centred)), dgamma = s · sum(dy · centred), dbeta = sum(dy).
 */
function batchNormGradient(dy: tf.Tensor, saved: tf.Tensor[], axes: number[]): tf.Tensor[] {
  const [centred, rstd, gamma] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
  const dbeta = tf.sum(dy, axes);
  const product = tf.sum(tf.mul(dy, centred), axes);
  const perValue = tf.scalar(rstd.size / dy.size);
  const factor = tf.mul(gamma, rstd);
  const slope = tf.mul(tf.mul(product, perValue), tf.mul(factor, tf.square(rstd)));
  const shift = tf.mul(tf.mul(dbeta, perValue), factor);
  const dx = tf.sub(tf.mul(dy, factor), tf.add(tf.mul(centred, slope), shift));
  return [dx, tf.mul(product, rstd), dbeta];
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
  const factor = tf.mul(gamma, tf.rsqrt(tf.add(variance, eps)));
  return tf.add(tf.mul(x, factor), tf.sub(beta, tf.mul(mean, factor)));
}
