/** Linear: an affine map of the last axis. */
import type * as tf from "@tensorflow/tfjs-core";
import { fusedLinear } from "../../engine/fused/linear.js";

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
