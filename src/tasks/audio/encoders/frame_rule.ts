/** How many frames an encoder of samples gives, found out by trying. */

/** ⌊(samples + offset) / step⌋ frames: what any row of strided convolutions gives. */
export interface FrameRule {
  step: number;
  offset: number;
}

/** A length at which every encoder has frames, in samples. */
const BEGINNING = 16000;
const LONGEST_STEP = 2 ** 14;

/**
 * @param framesOf of so many samples
 * @returns undefined where the frames follow no such rule
 */
export function findFrameRule(framesOf: (samples: number) => number): FrameRule | undefined {
  const known = new Map<number, number>();
  const count = (samples: number): number => {
    const frames = known.get(samples) ?? framesOf(samples);
    known.set(samples, frames);
    return frames;
  };
  /** The smallest length from here on that has more frames. */
  const next = (from: number): number | undefined => {
    const frames = count(from);
    let width = 64;
    while (count(from + width) === frames) if ((width *= 2) > LONGEST_STEP) return undefined;
    let [low, high] = [from + (width > 64 ? width / 2 : 0), from + width];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (count(middle) > frames) high = middle;
      else low = middle;
    }
    return high;
  };
  const first = next(BEGINNING);
  const second = first === undefined ? undefined : next(first);
  if (first === undefined || second === undefined) return undefined;
  const step = second - first;
  count(4 * BEGINNING);
  const offset = step * count(first) - first;
  const fits = [...known].every(([samples, frames]) => frames === Math.floor((samples + offset) / step));
  return fits ? { step, offset } : undefined;
}
