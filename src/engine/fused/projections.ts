/**
 * The projections of self-attention, three affine maps of one input: one kernel forward, one backward, in which the three
 * gradients of the input add up inside the products.
 */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFusedAll } from "./fused.js";
import { fusedLinear } from "./linear.js";

type Three<T> = readonly [T, T, T];

/**
 * x · weightᵀ + bias for each of three weights.
 *
 * @param x […, in]
 * @param weights [out, in] each
 * @param biases [out] each, or none
 * @returns […, out] each
 */
export function fusedProjections(
  x: tf.Tensor,
  weights: Three<tf.Tensor>,
  biases: Three<tf.Tensor> | undefined,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  if (!canFuse(x, ...weights, ...(biases ?? []))) {
    return [0, 1, 2].map((i) => fusedLinear(x, weights[i]!, biases?.[i])) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
  }
  const inputs = { x, weight0: weights[0], weight1: weights[1], weight2: weights[2] };
  const outputs = runFusedAll("Projections", {
    ...inputs,
    ...(biases && { bias0: biases[0], bias1: biases[1], bias2: biases[2] }),
  });
  return outputs as [tf.Tensor, tf.Tensor, tf.Tensor];
}

tf.registerGradient({
  kernelName: "Projections",
  inputsToSave: ["x", "weight0", "weight1", "weight2"],
  gradFunc: (dys, [x, weight0, weight1, weight2]) => {
    const [dy0, dy1, dy2] = dys as tf.Tensor[];
    const inputs = { x, weight0, weight1, weight2, dy0, dy1, dy2 };
    const [dx, ...rest] = runFusedAll("ProjectionsGrad", inputs);
    return {
      x: () => dx!,
      weight0: () => rest[0]!,
      weight1: () => rest[1]!,
      weight2: () => rest[2]!,
      bias0: () => rest[3]!,
      bias1: () => rest[4]!,
      bias2: () => rest[5]!,
    };
  },
});
