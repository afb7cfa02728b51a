/** Cuts long sound where it is quietest, for models that hear no more than some seconds and cannot join what overlaps. */
import type { Waveform } from "../../data/index.js";

/** Seconds whose loudness is compared. */
const FRAME_SECONDS = 0.05;
/** A piece is at least this share of the longest. */
const SHORTEST_SHARE = 0.5;

/**
 * Pieces of at most `longestSeconds` that together are the whole sound, each cut in the middle of the quietest moment of its
 * second half.
 */
export function splitAtPauses({ samples, sampleRate }: Waveform, longestSeconds: number): Float32Array[] {
  const frame = Math.max(1, Math.round(FRAME_SECONDS * sampleRate));
  const longest = Math.max(frame, Math.floor(longestSeconds * sampleRate));
  const pieces: Float32Array[] = [];
  let start = 0;
  while (samples.length - start > longest) {
    const end = quietest(samples, start + Math.ceil(SHORTEST_SHARE * longest), start + longest, frame);
    pieces.push(samples.subarray(start, end));
    start = end;
  }
  return [...pieces, samples.subarray(start)];
}

/** The middle of the frame with the least energy, between two places. */
function quietest(samples: Float32Array, from: number, to: number, frame: number): number {
  let [best, least] = [to, Infinity];
  for (let at = from; at + frame <= to; at += frame) {
    const energy = samples.subarray(at, at + frame).reduce((sum, value) => sum + value * value, 0);
    if (energy < least) [best, least] = [at + Math.floor(frame / 2), energy];
  }
  return best;
}
