/** An affine map of the last axis: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused, runFusedAll } from "./fused.js";

/**
 * x · weightᵀ + bias
 *
 * @param x […, in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns […, out]
 */
export function fusedLinear(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor | undefined): tf.Tensor {
  if (canFuse(x, weight, bias)) return runFused("Linear", { x, weight, bias });
  const product = tf.matMul(tf.reshape(x, [-1, x.shape.at(-1)!]), weight, false, true);
  const output = bias === undefined ? product : tf.add(product, bias);
  return tf.reshape(output, [...x.shape.slice(0, -1), weight.shape[0]]);
}

tf.registerGradient({
  kernelName: "Linear",
  inputsToSave: ["x", "weight"],
  gradFunc: (dy, [x, weight]) => {
    const [dx, dweight, dbias] = runFusedAll("LinearGrad", { dy: dy as tf.Tensor, x, weight });
    return { x: () => dx!, weight: () => dweight!, bias: () => dbias! };
  },
});
