/** CTC's recursion over the frames of a sequence: one kernel. Its gradient is the loss's, which needs no more than its values. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused } from "./fused.js";

/**
 * Log probabilities of all ways into each state: `next[s]` is the logarithm of the sum over the states s, s - 1 and s - 2 of
 * `exp(current + cost)`. States before the first stand for the first, and their costs must rule them out.
 *
 * @param start float32 [states, sequences]: before the first frame
 * @param costs float32 [frames, 3, states, sequences]: of coming from the state itself, the one before, and the one before that
 * @returns float32 [frames, states, sequences]; has no gradient
 */
export function ctcWalk(start: tf.Tensor, costs: tf.Tensor): tf.Tensor {
  if (canFuse(start, costs)) return runFused("CtcWalk", { start, costs });
  const [frames, , numStates] = costs.shape as [number, number, number, number];
  const origins = tf.tensor2d(ctcOrigins(numStates), [3, numStates], "int32");
  let current = start;
  const visits = tf.unstack(costs).map((cost) => {
    current = tf.logSumExp(tf.add(tf.gather(current, origins), cost), 0);
    return current;
  });
  return tf.reshape(tf.concat(visits), [frames, ...start.shape]);
}

/** For each state, row by row: itself, the one before it, and the one before that. */
export function ctcOrigins(numStates: number): number[] {
  return [0, 1, 2].flatMap((back) => Array.from({ length: numStates }, (_, s) => (s < back ? s : s - back)));
}
