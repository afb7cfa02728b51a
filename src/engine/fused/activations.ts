/** Gelu and SiLU: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused } from "./fused.js";

export type GeluApproximation = "none" | "tanh";

/** x · Φ(x), or with `tanh` x · sigmoid(√(8/π) · (x + 0.044715 · x³)). */
export function fusedGelu(x: tf.Tensor, approximate: GeluApproximation): tf.Tensor {
  if (canFuse(x)) return runFused(approximate === "tanh" ? "GeluTanh" : "Gelu", { x });
  if (approximate === "none") return tf.mul(x, tf.add(tf.mul(tf.erf(tf.mul(x, Math.SQRT1_2)), 0.5), 0.5));
  const inner = tf.mul(
    x,
    tf.add(tf.mul(tf.square(x), 0.044715 * Math.sqrt(8 / Math.PI)), Math.sqrt(8 / Math.PI)),
  );
  return tf.mul(x, tf.sigmoid(inner));
}

/** x · sigmoid(x) */
export function fusedSilu(x: tf.Tensor): tf.Tensor {
  return canFuse(x) ? runFused("Silu", { x }) : tf.mul(x, tf.sigmoid(x));
}

for (const kernelName of ["Gelu", "GeluTanh", "Silu"]) {
  tf.registerGradient({
    kernelName,
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attributes) => {
      return { x: () => runFused(`${kernelName}Grad`, { dy: dy as tf.Tensor, x }, attributes) };
    },
  });
}
