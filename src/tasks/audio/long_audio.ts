/** Sound of any length through a recogniser that hears a window at a time: overlapping windows, joined frame by frame. */
import type { LogProbabilities } from "./decoding/log_probabilities.js";

/** Runs the acoustic model on one window. */
export type HearWindow = (samples: Float32Array) => LogProbabilities;

/** Lengths in samples; all of them whole numbers of frames. */
export interface WindowOptions {
  /** Samples of one frame of probabilities. */
  frame: number;
  /** What is new in each window. */
  step: number;
  /** What is heard again before it, for the context, and thrown away. */
  left: number;
  /** What is heard behind it, for the context, and will be heard again. */
  right: number;
}

/**
 * Since windows begin and end at whole frames, the frames of all steps together are those of the whole sound: nothing is
 * heard twice and nothing is left out, whatever lies at a seam.
 */
export class SlidingWindow {
  readonly #hear: HearWindow;
  readonly #options: WindowOptions;
  /** From the left context of the next step on. */
  #samples = new Float32Array(0);
  /** Samples at the buffer's beginning that are context. */
  #context = 0;

  constructor(hear: HearWindow, options: WindowOptions) {
    this.#hear = hear;
    this.#options = options;
  }

  /** @returns the frames that are certain now: none, or those of one or more steps */
  push(samples: Float32Array): LogProbabilities[] {
    const joined = new Float32Array(this.#samples.length + samples.length);
    joined.set(this.#samples);
    joined.set(samples, this.#samples.length);
    this.#samples = joined;
    const { step, right } = this.#options;
    const out: LogProbabilities[] = [];
    while (this.#samples.length >= this.#context + step + right) {
      out.push(this.#advance(this.#context + step + right, step));
    }
    return out;
  }

  /** What would come out if the sound ended here. */
  peek(): LogProbabilities | undefined {
    if (this.#samples.length <= this.#context) return undefined;
    return framesFrom(this.#hear(this.#samples), this.#context / this.#options.frame);
  }

  /** The frames that are left at the sound's end; the window starts anew. */
  flush(): LogProbabilities | undefined {
    const rest = this.peek();
    this.#samples = new Float32Array(0);
    this.#context = 0;
    return rest;
  }

  #advance(heard: number, step: number): LogProbabilities {
    const { frame, left } = this.#options;
    const all = this.#hear(this.#samples.subarray(0, heard));
    const first = this.#context / frame;
    const result = framesFrom(all, first, first + step / frame);
    const next = this.#context + step;
    const kept = Math.min(left, next);
    this.#samples = this.#samples.slice(next - kept);
    this.#context = kept;
    return result;
  }
}

export function framesFrom(
  { data, frames, classes }: LogProbabilities,
  from: number,
  to = frames,
): LogProbabilities {
  const end = Math.min(to, frames);
  const start = Math.min(from, end);
  return { data: data.slice(start * classes, end * classes), frames: end - start, classes };
}

/** Cuts probabilities that come in piece by piece where nothing is said, so that each part can be decoded for good. */
export class UtteranceSplitter {
  readonly #pause: number;
  readonly #longest: number;
  #pieces: LogProbabilities[] = [];
  #start = 0;

  /**
   * @param pause frames of blanks that end an utterance; infinite if nothing but its length does
   * @param longest frames after which an utterance is cut at its longest pause, whatever that is
   */
  constructor({ pause, longest }: { pause: number; longest: number }) {
    this.#pause = pause;
    this.#longest = longest;
  }

  /** @returns the utterances that are complete, each with the number of its first frame */
  push(piece: LogProbabilities): { start: number; probabilities: LogProbabilities }[] {
    this.#pieces.push(piece);
    const all = join(this.#pieces);
    const cut = this.#findCut(all);
    if (cut === undefined) {
      this.#pieces = [all];
      return [];
    }
    const complete = { start: this.#start, probabilities: framesFrom(all, 0, cut) };
    this.#start += cut;
    this.#pieces = [framesFrom(all, cut)];
    return [complete];
  }

  /** What has come in and is not complete. */
  get rest(): { start: number; probabilities: LogProbabilities } | undefined {
    return this.#pieces.length === 0 ? undefined : { start: this.#start, probabilities: join(this.#pieces) };
  }

  /** The middle of the last pause that is long enough. */
  #findCut({ data, frames, classes }: LogProbabilities): number | undefined {
    let [longest, middle, run] = [0, 0, 0];
    let found: number | undefined;
    for (let t = 0; t <= frames; t++) {
      if (t < frames && isBlank(data.subarray(t * classes, (t + 1) * classes))) {
        run++;
        continue;
      }
      const centre = t - Math.ceil(run / 2);
      if (run >= this.#pause && centre > 0) found = centre;
      if (run > longest && centre > 0) [longest, middle] = [run, centre];
      run = 0;
    }
    if (found !== undefined) return found;
    if (frames < this.#longest) return undefined;
    return longest > 0 ? middle : frames;
  }
}

function isBlank(row: Float32Array): boolean {
  for (let c = 1; c < row.length; c++) if (row[c]! > row[0]!) return false;
  return true;
}

export function join(pieces: readonly LogProbabilities[]): LogProbabilities {
  const [first] = pieces;
  if (pieces.length === 1) return first!;
  const frames = pieces.reduce((sum, piece) => sum + piece.frames, 0);
  const data = new Float32Array(frames * first!.classes);
  let at = 0;
  for (const piece of pieces) {
    data.set(piece.data, at);
    at += piece.data.length;
  }
  return { data, frames, classes: first!.classes };
}
