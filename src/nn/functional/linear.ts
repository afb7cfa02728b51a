/** Linear: an affine map of the last axis. */
import type * as tf from "@tensorflow/tfjs-core";
import { fusedLinear } from "../../engine/fused/linear.js";
import { fusedProjections } from "../../engine/fused/projections.js";
import { checkFeatures } from "../shape_checks.js";

/**
 * input · weightᵀ + bias
 *
 * @param input […, in]
 * @param weight [out, in]
 * @param bias [out]. Default: none.
 * @returns […, out]
 * @throws ConfigurationError `ERR_SHAPE` if the input does not end in the weight's second axis
 */
export function linear(input: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor | null): tf.Tensor {
  checkFeatures("linear", input, weight.shape[1]!);
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
 * @throws ConfigurationError `ERR_SHAPE` if the input does not end in the weights' second axis
 */
export function projections(
  input: tf.Tensor,
  weights: Three<tf.Tensor>,
  biases?: Three<tf.Tensor> | null,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  for (const weight of weights) checkFeatures("projections", input, weight.shape[1]!);
  return fusedProjections(input, weights, biases ?? undefined);
}
