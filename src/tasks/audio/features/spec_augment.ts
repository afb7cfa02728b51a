/** SpecAugment: hides bands and stretches of time of a spectrogram. */
import { ConfigurationError } from "../../../errors.js";
import { HostTensor } from "../../../host_tensor.js";
import type { Generator } from "../../../random.js";

/** Park et al., "SpecAugment" (2019, https://arxiv.org/abs/1904.08779), without warping. */
export interface SpecAugmentOptions {
  /** How many stripes of bands are hidden. Default: 2. */
  freqMasks?: number;
  /** Their largest width, as a share of all bands. Default: 0.2. */
  freqWidth?: number;
  /** How many stretches of time are hidden. Default: 2. */
  timeMasks?: number;
  /** Their largest length in frames. Default: 10. */
  timeFrames?: number;
  /** Their largest length as a share of the utterance, so that short ones stay audible. Default: 0.1. */
  timeWidth?: number;
}

/** All options with their values. @throws ConfigurationError `ERR_SPEC_AUGMENT` */
export function resolveSpecAugment(options: SpecAugmentOptions = {}): Required<SpecAugmentOptions> {
  const { freqMasks = 2, freqWidth = 0.2, timeMasks = 2, timeFrames = 10, timeWidth = 0.1 } = options;
  const counts = Object.entries({ freqMasks, timeMasks, timeFrames });
  const shares = Object.entries({ freqWidth, timeWidth });
  const bad =
    counts.find(([, value]) => !Number.isInteger(value) || value < 0) ??
    shares.find(([, value]) => !(value >= 0 && value <= 1));
  if (bad !== undefined) {
    const kind = bad[0] in { freqWidth, timeWidth } ? "a share from 0 to 1" : "a whole number from 0 on";
    throw new ConfigurationError(
      "ERR_SPEC_AUGMENT",
      `SpecAugment's \`${bad[0]}\` is ${kind}, not ${bad[1]}.`,
    );
  }
  return { freqMasks, freqWidth, timeMasks, timeFrames, timeWidth };
}

/**
 * Draws what is hidden of a batch.
 *
 * @param lengths frames of each utterance
 * @returns float32 [batch, frames, bands] of factors, 0 where something is hidden and 1 elsewhere
 */
export function drawSpecAugment(
  random: Generator,
  lengths: readonly number[],
  [frames, bands]: readonly [number, number],
  options: Required<SpecAugmentOptions>,
): HostTensor {
  const { freqMasks, freqWidth, timeMasks, timeFrames, timeWidth } = options;
  const factors = new Float32Array(lengths.length * frames * bands).fill(1);
  lengths.forEach((length, i) => {
    const rows = factors.subarray(i * frames * bands, (i + 1) * frames * bands);
    for (let mask = 0; mask < freqMasks; mask++) {
      const [start, end] = drawStripe(random, bands, Math.floor(freqWidth * bands));
      for (let t = 0; t < frames; t++) rows.fill(0, t * bands + start, t * bands + end);
    }
    const longest = Math.min(timeFrames, Math.floor(timeWidth * length));
    for (let mask = 0; mask < timeMasks; mask++) {
      const [start, end] = drawStripe(random, Math.min(length, frames), longest);
      rows.fill(0, start * bands, end * bands);
    }
  });
  return new HostTensor(factors, [lengths.length, frames, bands]);
}

function drawStripe(random: Generator, size: number, widest: number): [start: number, end: number] {
  const width = random.integer(Math.min(widest, size) + 1);
  const start = random.integer(size - width + 1);
  return [start, start + width];
}
