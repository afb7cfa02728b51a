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

/** What a walk depends on. All are logarithms. */
export interface CtcWalkInputs {
  /** float32 [states, sequences]: before the first frame. */
  start: tf.Tensor;
  /** float32 [frames, states, sequences]: of a state's class at a frame. */
  emissions: tf.Tensor;
  /** float32 [3, states, sequences]: of coming from the state itself, the one before, and the one before that. */
  moves: tf.Tensor;
  /** float32 [frames, 3, 1, sequences]: what a frame adds to these. */
  frameMoves: tf.Tensor;
}

/**
 * Log probabilities of all ways into each state: `next[s]` is the logarithm of the sum over the states s, s - 1 and s - 2 of
 * `exp(current + move)`, plus the state's emission. States before the first stand for the first, and `moves` must rule them
 * out. Without the shifts, float32 would run out of digits over long sequences.
 */
export function ctcWalk(inputs: CtcWalkInputs): CtcVisits {
  const { start, emissions, moves, frameMoves } = inputs;
  if (canFuse(start, emissions, moves, frameMoves)) {
    const [visits, shifts] = runFusedAll("CtcWalk", { ...inputs }) as [tf.Tensor, tf.Tensor];
    return { visits, shifts };
  }
  const numStates = emissions.shape[1]!;
  const origins = tf.tensor2d(ctcOrigins(numStates), [3, numStates], "int32");
  const perFrame = tf.unstack(frameMoves);
  let current = start;
  const frames = tf.unstack(emissions).map((emission, t) => {
    const ways = tf.add(tf.add(tf.gather(current, origins), moves), perFrame[t]!);
    const reached = tf.add(tf.logSumExp(ways, 0), emission);
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
