/** Finds the frames of tokens that are known: the most probable of all alignments (Viterbi, 1967). */
import { BLANK } from "../transcripts/vocabulary.js";
import type { LogProbabilities } from "./log_probabilities.js";

/** Where a token was heard. */
export interface AlignedToken {
  token: number;
  /** First frame. */
  start: number;
  /** The frame behind the last. */
  end: number;
  /** Probability of the token over its frames, as their geometric mean. */
  score: number;
}

/** @returns one entry a token, in order; undefined where the frames are too few for the tokens */
export function alignTokens(
  { data, frames, classes }: LogProbabilities,
  tokens: readonly number[],
): AlignedToken[] | undefined {
  if (tokens.length === 0) return [];
  const states = 2 * tokens.length + 1;
  const classOf = (state: number): number => (state % 2 === 0 ? BLANK : tokens[(state - 1) / 2]!);
  const canSkip = Array.from(
    { length: states },
    (_, s) => s > 1 && s % 2 === 1 && classOf(s) !== classOf(s - 2),
  );
  let previous = new Float64Array(states).fill(-Infinity);
  const steps = new Uint8Array(frames * states);
  for (let t = 0; t < frames; t++) {
    const current = new Float64Array(states).fill(-Infinity);
    for (let s = 0; s < states; s++) {
      const emission = data[t * classes + classOf(s)]!;
      if (t === 0) {
        if (s < 2) current[s] = emission;
        continue;
      }
      let [best, step] = [previous[s]!, 0];
      if (s > 0 && previous[s - 1]! > best) [best, step] = [previous[s - 1]!, 1];
      if (canSkip[s]! && previous[s - 2]! > best) [best, step] = [previous[s - 2]!, 2];
      current[s] = best + emission;
      steps[t * states + s] = step;
    }
    previous = current;
  }
  let state = previous[states - 1]! >= previous[states - 2]! ? states - 1 : states - 2;
  if (frames === 0 || previous[state] === -Infinity) return undefined;
  const path = new Int32Array(frames);
  for (let t = frames - 1; t >= 0; t--) {
    path[t] = state;
    state -= steps[t * states + state]!;
  }
  return tokens.map((token, i) => {
    const own = 2 * i + 1;
    const start = path.indexOf(own);
    const end = path.lastIndexOf(own) + 1;
    let sum = 0;
    for (let t = start; t < end; t++) sum += data[t * classes + token]!;
    return { token, start, end, score: Math.exp(sum / (end - start)) };
  });
}
