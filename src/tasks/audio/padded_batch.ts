/** Puts sounds of different lengths into one array. */
import { HostTensor } from "../../host_tensor.js";

/** Lengths within an octave: each step is 19% longer than the one before. */
const STEPS_PER_OCTAVE = 4;

/**
 * The length that sounds are padded to: one of few, since the engine compiles a graph for each.
 *
 * @param unit all lengths are multiples of it
 */
export function paddedLength(length: number, unit: number): number {
  const units = Math.max(1, Math.ceil(length / unit));
  const step = Math.ceil(Math.log2(units) * STEPS_PER_OCTAVE - 1e-9);
  return Math.max(units, Math.ceil(2 ** (step / STEPS_PER_OCTAVE) - 1e-9)) * unit;
}

/** Sounds with silence behind their ends. */
export interface PaddedSounds {
  /** float32 [batch, samples]. */
  input: HostTensor;
  /** int32 [batch]: the samples of each. */
  length: HostTensor;
}

/**
 * @param minimum samples that the array has at least
 * @param maximum samples that it is padded to at most
 */
export function padSounds(
  sounds: readonly Float32Array[],
  { unit, minimum = 0, maximum = Infinity }: { unit: number; minimum?: number; maximum?: number },
): PaddedSounds {
  const longest = sounds.reduce((most, { length }) => Math.max(most, length), minimum);
  const width = Math.max(longest, Math.min(maximum, paddedLength(longest, unit)));
  const data = new Float32Array(sounds.length * width);
  sounds.forEach((samples, i) => data.set(samples, i * width));
  return {
    input: new HostTensor(data, [sounds.length, width]),
    length: new HostTensor(
      Int32Array.from(sounds, ({ length }) => length),
      [sounds.length],
    ),
  };
}

/** The sounds of a batch, without what they are padded with. */
export function soundsOf({ input, length }: PaddedSounds): Float32Array[] {
  const width = input.shape[1]!;
  const data = input.data as Float32Array;
  return Array.from(length.data, (samples, i) => data.subarray(i * width, i * width + samples));
}

/** int32 [batch, length]: number sequences with zeros behind their ends, and their lengths. */
export function padTargets(targets: readonly (readonly number[])[]): {
  target: HostTensor;
  targetLength: HostTensor;
} {
  const longest = targets.reduce((most, { length }) => Math.max(most, length), 1);
  const width = paddedLength(longest, TARGET_UNIT);
  const data = new Int32Array(targets.length * width);
  targets.forEach((target, i) => data.set(target, i * width));
  return {
    target: new HostTensor(data, [targets.length, width]),
    targetLength: new HostTensor(
      Int32Array.from(targets, ({ length }) => length),
      [targets.length],
    ),
  };
}

const TARGET_UNIT = 8;
