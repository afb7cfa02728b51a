/** What an acoustic model says of one utterance. */

/** Natural logarithms of probabilities [frames, classes], row by row; class 0 is CTC's blank. */
export interface LogProbabilities {
  data: Float32Array;
  frames: number;
  classes: number;
}

/** Of log probabilities. */
export function logAdd(a: number, b: number): number {
  if (a === -Infinity) return b;
  if (b === -Infinity) return a;
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b));
}

/** The numbers of logits [frames, classes] as log probabilities. */
export function logSoftmax(logits: Float32Array, classes: number): LogProbabilities {
  const data = new Float32Array(logits.length);
  const frames = logits.length / classes;
  for (let t = 0; t < frames; t++) {
    const row = logits.subarray(t * classes, (t + 1) * classes);
    let highest = -Infinity;
    for (const value of row) if (value > highest) highest = value;
    let sum = 0;
    for (const value of row) sum += Math.exp(value - highest);
    const shift = highest + Math.log(sum);
    for (let c = 0; c < classes; c++) data[t * classes + c] = row[c]! - shift;
  }
  return { data, frames, classes };
}

/** The most probable class of each frame, repeats merged and blanks left out. */
export function greedyTokens({ data, frames, classes }: LogProbabilities): number[] {
  const tokens: number[] = [];
  let previous = 0;
  for (let t = 0; t < frames; t++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (data[t * classes + c]! > data[t * classes + best]!) best = c;
    if (best !== previous && best !== 0) tokens.push(best);
    previous = best;
  }
  return tokens;
}
