/** Batch normalisation with the statistics of the batch: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, registerGradientOfFirstOutput, runFused, runFusedAll } from "./fused.js";

/**
 * (x - mean) / √(variance + eps) · gamma + beta, with the mean and the biased variance over all axes but the last.
 * Gradients flow through the first result only, and take the statistics into account.
 *
 * @param x […, channels]
 * @param gamma [channels]
 * @param beta [channels]
 * @returns the output, and mean and variance [channels]
 */
export function fusedBatchNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, eps: number): tf.Tensor[] {
  if (canFuse(x, gamma, beta)) return runFusedAll("BatchNorm", { x, gamma, beta }, { eps });
  const axes = Array.from({ length: x.rank - 1 }, (_, axis) => axis);
  const mean = tf.mean(x, axes);
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), axes);
  const output = tf.add(tf.mul(centred, tf.mul(tf.rsqrt(tf.add(variance, eps)), gamma)), beta);
  return [output, mean, variance];
}

registerGradientOfFirstOutput({
  kernelName: "BatchNorm",
  inputsToSave: ["x", "gamma"],
  outputsToSave: [false, true, true],
  gradFunc: (dys, [x, gamma, mean, variance], attributes) => {
    const [dy] = dys as tf.Tensor[];
    const [dx, dgamma, dbeta] = runFusedAll("BatchNormGrad", { dy, x, gamma, mean, variance }, attributes);
    return { x: () => dx!, gamma: () => dgamma!, beta: () => dbeta! };
  },
});

/** The same with given statistics, which no gradient flows into. All but `x`: [channels]. */
export function fusedBatchNormInference(
  x: tf.Tensor,
  mean: tf.Tensor,
  variance: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  eps: number,
): tf.Tensor {
  const inputs = { x, mean, variance, gamma, beta };
  if (canFuse(x, mean, variance, gamma, beta)) return runFused("BatchNormInference", inputs, { eps });
  const factor = tf.mul(gamma, tf.rsqrt(tf.add(variance, eps)));
  return tf.add(tf.mul(x, factor), tf.sub(beta, tf.mul(mean, factor)));
}

tf.registerGradient({
  kernelName: "BatchNormInference",
  inputsToSave: ["x", "mean", "variance", "gamma"],
  gradFunc: (dy, [x, mean, variance, gamma], attributes) => {
    const gradient = dy as tf.Tensor;
    const axes = Array.from({ length: gradient.rank - 1 }, (_, axis) => axis);
    const rstd = (): tf.Tensor => tf.rsqrt(tf.add(variance!, attributes.eps as number));
    return {
      x: () => tf.mul(gradient, tf.mul(gamma!, rstd())),
      gamma: () => tf.mul(tf.sum(tf.mul(gradient, tf.sub(x!, mean!)), axes), rstd()),
      beta: () => tf.sum(gradient, axes),
      mean: () => tf.zerosLike(mean!),
      variance: () => tf.zerosLike(variance!),
    };
  },
});

/** What every batch of training moves: mean and variance [channels], and int32 [] how many batches have. */
export interface RunningTensors {
  mean: tf.Tensor;
  variance: tf.Tensor;
  batches?: tf.Tensor;
}

/**
 * The running statistics after a batch: (1 - momentum) · running + momentum · batch, the variance without its bias.
 *
 * @param momentum share of the batch
 * @param correction n / (n - 1) for n values a channel
 */
export function fusedRunningStatistics<Running extends RunningTensors>(
  running: Running,
  batch: { mean: tf.Tensor; variance: tf.Tensor },
  momentum: number,
  correction: number,
): Running {
  const { mean, variance, batches } = running;
  if (canFuse(mean, variance, batch.mean, batch.variance)) {
    const inputs = { mean, variance, batches, batchMean: batch.mean, batchVariance: batch.variance };
    const moved = runFusedAll("RunningStatistics", inputs, { momentum, correction });
    return { mean: moved[0], variance: moved[1], batches: moved[2] } as Running;
  }
  const move = (old: tf.Tensor, next: tf.Tensor, factor: number): tf.Tensor =>
    tf.add(tf.mul(old, 1 - momentum), tf.mul(next, momentum * factor));
  return {
    mean: move(mean, batch.mean, 1),
    variance: move(variance, batch.variance, correction),
    batches: batches && tf.add(batches, tf.scalar(1, "int32")),
  } as Running;
}
