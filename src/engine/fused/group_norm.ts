/** Group normalisation: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused, runFusedAll } from "./fused.js";

/**
 * Normalises each group of channels of each sample by its own mean and biased variance, then applies gamma and beta.
 *
 * @param x [batch, …, channels]
 * @param groups divides the channels
 * @param gamma [channels]
 * @param beta [channels]
 */
export function fusedGroupNorm(
  x: tf.Tensor,
  groups: number,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  eps: number,
): tf.Tensor {
  if (canFuse(x, gamma, beta)) return runFused("GroupNorm", { x, gamma, beta }, { groups, eps });
  const channels = x.shape.at(-1)!;
  const grouped = tf.reshape(x, [...x.shape.slice(0, -1), groups, channels / groups]);
  const axes = Array.from({ length: grouped.rank }, (_, axis) => axis).filter(
    (axis) => axis !== 0 && axis !== grouped.rank - 2,
  );
  const centred = tf.sub(grouped, tf.mean(grouped, axes, true));
  const variance = tf.mean(tf.square(centred), axes, true);
  const normal = tf.reshape(tf.mul(centred, tf.rsqrt(tf.add(variance, eps))), x.shape);
  return tf.add(tf.mul(normal, gamma), beta);
}

tf.registerGradient({
  kernelName: "GroupNorm",
  inputsToSave: ["x", "gamma"],
  gradFunc: (dy, [x, gamma], attributes) => {
    const [dx, dgamma, dbeta] = runFusedAll("GroupNormGrad", { dy: dy as tf.Tensor, x, gamma }, attributes);
    return { x: () => dx!, gamma: () => dgamma!, beta: () => dbeta! };
  },
});
