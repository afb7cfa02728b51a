/** Layer normalisation: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused, runFusedAll } from "./fused.js";

/**
 * (x - mean) / √(variance + eps) · gamma + beta, with the mean and the biased variance over the last `gamma.rank` axes.
 *
 * @param gamma shaped as those axes
 * @param beta shaped as `gamma`
 */
export function fusedLayerNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, eps: number): tf.Tensor {
  if (canFuse(x, gamma, beta)) return runFused("LayerNorm", { x, gamma, beta }, { eps });
  const axes = Array.from({ length: gamma.rank }, (_, i) => x.rank - gamma.rank + i);
  const centred = tf.sub(x, tf.mean(x, axes, true));
  const variance = tf.mean(tf.square(centred), axes, true);
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, eps))), gamma), beta);
}

tf.registerGradient({
  kernelName: "LayerNorm",
  inputsToSave: ["x", "gamma"],
  gradFunc: (dy, [x, gamma], attributes) => {
    const [dx, dgamma, dbeta] = runFusedAll("LayerNormGrad", { dy: dy as tf.Tensor, x, gamma }, attributes);
    return { x: () => dx!, gamma: () => dgamma!, beta: () => dbeta! };
  },
});
