/** CTC's recursion over the frames of a sequence: one kernel. Its gradient is the loss's, which needs no more than its values. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFusedAll } from "./fused.js";

/** What a walk finds. Neither has a gradient. */
export interface CtcVisits {
  /** float32 [frames, states, sequences]: log probabilities, the largest of each frame and sequence being 0. */
  visits: tf.Tensor;
  /** float32 [frames, sequences]: what each frame's probabilities lie below those of the frame before. */
  shifts: tf.Tensor;
}

/**
 * Log probabilities of all ways into each state: `next[s]` is the logarithm of the sum over the states s, s - 1 and s - 2 of
 * `exp(current + cost)`. States before the first stand for the first, and their costs must rule them out. Without the shifts,
 * float32 would run out of digits over long sequences.
 *
 * @param start float32 [states, sequences]: before the first frame
 * @param costs float32 [frames, 3, states, sequences]: of coming from the state itself, the one before, and the one before that
 */
export function ctcWalk(start: tf.Tensor, costs: tf.Tensor): CtcVisits {
  if (canFuse(start, costs)) {
    const [visits, shifts] = runFusedAll("CtcWalk", { start, costs }) as [tf.Tensor, tf.Tensor];
    return { visits, shifts };
  }
  const numStates = costs.shape[2]!;
  const origins = tf.tensor2d(ctcOrigins(numStates), [3, numStates], "int32");
  let current = start;
  const frames = tf.unstack(costs).map((cost) => {
    const reached = tf.logSumExp(tf.add(tf.gather(current, origins), cost), 0);
    const shift = tf.max(reached, 0, true);
    current = tf.sub(reached, shift);
    return { visit: current, shift: tf.squeeze(shift, [0]) };
  });
  return {
    visits: tf.stack(frames.map(({ visit }) => visit)),
    shifts: tf.stack(frames.map(({ shift }) => shift)),
  };
}

/** For each state, row by row: itself, the one before it, and the one before that. */
export function ctcOrigins(numStates: number): number[] {
  return [0, 1, 2].flatMap((back) => Array.from({ length: numStates }, (_, s) => (s < back ? s : s - back)));
}
