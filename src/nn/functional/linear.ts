/** Linear: an affine map of the last axis. */
import type * as tf from "@tensorflow/tfjs-core";
import { fusedLinear } from "../../engine/fused/linear.js";
import { fusedProjections } from "../../engine/fused/projections.js";

/**
 * input · weightᵀ + bias
 *
 * @param input […, in]
 * @param weight [out, in]
 * @param bias [out]. Default: none.
 * @returns […, out]
 */
export function linear(input: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor | null): tf.Tensor {
  return fusedLinear(input, weight, bias ?? undefined);
}

type Three<T> = readonly [T, T, T];

/**
 * Three linear maps of one input, as self-attention needs them: `linear` with each weight, quicker than one by one.
 *
 * @param input […, in]
 * @param weights [out, in] each
 * @param biases [out] each. Default: none.
 * @returns […, out] each
 */
export function projections(
  input: tf.Tensor,
  weights: Three<tf.Tensor>,
  biases?: Three<tf.Tensor> | null,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  return fusedProjections(input, weights, biases ?? undefined);
}
