/** CTC's recursions over the frames of a sequence: one kernel. Its gradient is the loss's, which needs no more than its values. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFusedAll } from "./fused.js";

/** What a walk finds. None of it has a gradient. */
export interface CtcVisits {
  /** float32 [frames, states, sequences]: of all ways into a state up to a frame, its emission included. */
  before: tf.Tensor;
  /** float32 [frames, states, sequences]: of all ways on from there, the emission not included. */
  after: tf.Tensor;
  /** float32 [frames, 2, sequences]: how much was taken off after each frame that was walked, forwards and backwards. */
  shifts: tf.Tensor;
  /** float32 [2 · states, sequences]: what was reached in the end forwards, and below it backwards, the largest being 0. */
  last: tf.Tensor;
}

/** What a walk depends on. All are logarithms. */
export interface CtcWalkInputs {
  /** float32 [2 · states, sequences]: before the first frame, and below it behind the last one. */
  start: tf.Tensor;
  /** float32 [frames, states, sequences]: of a state's class at a frame. */
  emissions: tf.Tensor;
  /** float32 [3, 2 · states, sequences]: of coming from each of the states in `ctcOrigins`. */
  moves: tf.Tensor;
}

/**
 * Log probabilities of all ways into each state and on from it (the paper's alpha and beta): what is reached is the logarithm
 * of the sum over three origins of `exp(current + move)`, plus the state's emission. Both directions go side by side, the
 * second from the last frame to the first. After each frame the largest is taken off, or float32 would run out of digits
 * over long sequences; `before` and `after` are therefore known up to a number for each frame and sequence.
 */
export function ctcWalk(inputs: CtcWalkInputs): CtcVisits {
  const { start, emissions, moves } = inputs;
  if (canFuse(start, emissions, moves)) {
    const [last, before, after, shifts] = runFusedAll("CtcWalk", { ...inputs }) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    return { before, after, shifts, last };
  }
  const [, states, sequences] = emissions.shape as [number, number, number];
  const origins = tf.tensor2d(ctcOrigins(states), [3, 2 * states], "int32");
  const perFrame = tf.unstack(emissions);
  let last = start;
  const frames = perFrame.map((emission, t) => {
    const pre = tf.logSumExp(tf.add(tf.gather(last, origins), moves), 0);
    const reached = tf.add(pre, tf.concat([emission, perFrame.at(-1 - t)!]));
    const halves = tf.reshape(reached, [2, states, sequences]);
    const shift = tf.max(halves, 1, true);
    last = tf.reshape(tf.sub(halves, shift), [2 * states, sequences]);
    return {
      before: tf.slice(reached, [0, 0], [states, -1]),
      after: tf.slice(pre, [states, 0], [states, -1]),
      shift: tf.squeeze(shift, [1]),
    };
  });
  return {
    before: tf.stack(frames.map(({ before }) => before)),
    after: tf.stack(frames.map(({ after }) => after).reverse()),
    shifts: tf.stack(frames.map(({ shift }) => shift)),
    last,
  };
}

/**
 * Row by row, for each state forwards and then backwards: itself, its neighbour, and the one behind that. In the place of
 * one outside is the state itself, and `moves` must rule it out.
 */
export function ctcOrigins(states: number): number[] {
  const all = Array.from({ length: states }, (_, s) => s);
  return [0, 1, 2].flatMap((back) => [
    ...all.map((s) => (s < back ? s : s - back)),
    ...all.map((s) => states + (s + back < states ? s + back : s)),
  ]);
}
