/** Sums of squares of many tensors, as the common norm of gradients wants them: one kernel, two passes for each at most. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFusedAll } from "./fused.js";

/** The sum of the squares of each tensor's elements, float32 scalars. No gradient flows into them. */
export function fusedSquaredSums(tensors: readonly tf.Tensor[]): tf.Scalar[] {
  if (tensors.length === 0) return [];
  if (!canFuse(...tensors)) return tensors.map((tensor) => tf.sum(tf.square(tensor)));
  const numbered = Object.fromEntries(tensors.map((tensor, i) => [`x${i}`, tensor]));
  return runFusedAll("SquaredSums", numbered) as tf.Scalar[];
}
