/** SpecAugment: hides bands and stretches of time of a spectrogram, and moves its frequencies as another voice would. */
import * as tf from "@tensorflow/tfjs-core";
import { hzToMel, melToHz } from "../../../data/audio/features/mel_scale.js";
import type { ResolvedMelOptions } from "../../../data/audio/features/mel_options.js";
import { ConfigurationError } from "../../../errors.js";
import { HostTensor } from "../../../host_tensor.js";
import type { Generator } from "../../../random.js";

/**
 * Park et al., "SpecAugment" (2019, https://arxiv.org/abs/1904.08779), without warping of time, and with Jaitly and Hinton's
 * vocal tract length perturbation (2013).
 */
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
  /** All frequencies are scaled by a factor between 1 - this and 1 + this, as of a longer or shorter vocal tract. Default: 0.1. */
  freqWarp?: number;
}

/** All options with their values. @throws ConfigurationError `ERR_SPEC_AUGMENT` */
export function resolveSpecAugment(options: SpecAugmentOptions = {}): Required<SpecAugmentOptions> {
  const {
    freqMasks = 2,
    freqWidth = 0.2,
    timeMasks = 2,
    timeFrames = 10,
    timeWidth = 0.1,
    freqWarp = 0.1,
  } = options;
  const counts = Object.entries({ freqMasks, timeMasks, timeFrames });
  const shares = Object.entries({ freqWidth, timeWidth, freqWarp });
  const bad =
    counts.find(([, value]) => !Number.isInteger(value) || value < 0) ??
    shares.find(([, value]) => !(value >= 0 && value <= 1));
  if (bad !== undefined) {
    const kind =
      bad[0] in { freqWidth, timeWidth, freqWarp } ? "a share from 0 to 1" : "a whole number from 0 on";
    throw new ConfigurationError(
      "ERR_SPEC_AUGMENT",
      `SpecAugment's \`${bad[0]}\` is ${kind}, not ${bad[1]}.`,
    );
  }
  return { freqMasks, freqWidth, timeMasks, timeFrames, timeWidth, freqWarp };
}

/** What is done to the features of a batch, on the host or, as tensors, on the device. */
export interface FeatureChanges<Array = tf.Tensor> {
  /** Factors of the features, [batch, frames, bands]: 0 where something is hidden, and 1 elsewhere. */
  mask?: Array;
  /** [batch, bands, bands]: what each band (by column) has of each (by row). */
  warp?: Array;
}

/** Features [batch, frames, bands], changed. */
export function changeFeatures(values: tf.Tensor, { mask, warp }: FeatureChanges): tf.Tensor {
  const warped = warp === undefined ? values : tf.matMul(values, warp);
  return mask === undefined ? warped : tf.mul(warped, mask);
}

/**
 * Draws what is done to the features of a batch.
 *
 * @param lengths frames of each sound
 * @param frames of the longest, padding included
 * @param mel the bands
 */
export function drawSpecAugment(
  random: Generator,
  lengths: readonly number[],
  frames: number,
  mel: ResolvedMelOptions,
  options: Required<SpecAugmentOptions>,
): FeatureChanges<HostTensor> {
  const mask = drawMask(random, lengths, [frames, mel.nMels], options);
  if (options.freqWarp === 0) return { mask };
  const { nMels } = mel;
  const weights = new Float32Array(lengths.length * nMels * nMels);
  for (let i = 0; i < lengths.length; i++) {
    const factor = random.between(1 - options.freqWarp, 1 + options.freqWarp);
    warpBands(weights.subarray(i * nMels * nMels, (i + 1) * nMels * nMels), factor, mel);
  }
  return { mask, warp: new HostTensor(weights, [lengths.length, nMels, nMels]) };
}

/** Has each band take what lies at `factor` times its frequency, between the two bands there. */
function warpBands(
  weights: Float32Array,
  factor: number,
  { nMels, fMin, fMax, melScale }: ResolvedMelOptions,
): void {
  const [low, high] = [hzToMel(fMin, melScale), hzToMel(fMax, melScale)];
  const step = (high - low) / (nMels + 1);
  for (let band = 0; band < nMels; band++) {
    const source = hzToMel(factor * melToHz(low + step * (band + 1), melScale), melScale);
    const place = Math.min(Math.max((source - low) / step - 1, 0), nMels - 1);
    const below = Math.min(Math.floor(place), Math.max(nMels - 2, 0));
    const share = place - below;
    weights[below * nMels + band]! += 1 - share;
    if (share > 0) weights[(below + 1) * nMels + band]! += share;
  }
}

function drawMask(
  random: Generator,
  lengths: readonly number[],
  [frames, bands]: readonly [number, number],
  { freqMasks, freqWidth, timeMasks, timeFrames, timeWidth }: Required<SpecAugmentOptions>,
): HostTensor {
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
