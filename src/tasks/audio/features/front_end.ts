/** What turns waveforms into an encoder's features, and how the features are normalised. */
import * as tf from "@tensorflow/tfjs-core";
import {
  countFrames,
  resolveMelOptions,
  type MelSpectrogramOptions,
  type ResolvedMelOptions,
} from "../../../data/audio/features/mel_options.js";
import { ConfigurationError, describeChoices } from "../../../errors.js";
import { sequenceMask, type PaddedSequences } from "../encoders/speech_encoder.js";
import { MelSpectrogram } from "./mel_layers.js";
import { SpeechFrontEnd, type Waveforms } from "./speech_front_end.js";

export const NORMALIZATIONS = ["band", "utterance", "none"] as const;

/**
 * `utterance`: all bands of an utterance together get mean 0 and deviation 1, which takes away its loudness; `band`: each band does
 * by itself, which takes away the microphone and much of the voice, and of a short utterance what is said as well; `none`.
 */
export type FeatureNormalization = (typeof NORMALIZATIONS)[number];

/** How waveforms become features. */
export interface FrontEndOptions extends MelSpectrogramOptions {
  /** Default: `utterance`. */
  normalize?: FeatureNormalization;
}

/** All options with their values, as a saved task holds them. */
export interface ResolvedFrontEnd extends ResolvedMelOptions {
  normalize: FeatureNormalization;
}

/** Added to deviations: what is below is silence. */
const SMALLEST_DEVIATION = 1e-3;

/**
 * Log-mel features for speech at some sample rate: windows of 25 ms every 10 ms, and as many bands as that bandwidth has room
 * for, 40 at 8 kHz and 80 from 16 kHz on.
 *
 * @throws ConfigurationError `ERR_MEL_OPTION`, `ERR_FRONT_END`
 */
export function resolveFrontEnd(options: FrontEndOptions = {}): ResolvedFrontEnd {
  const { sampleRate = 16000, normalize = "utterance" } = options;
  if (!NORMALIZATIONS.includes(normalize)) {
    throw new ConfigurationError(
      "ERR_FRONT_END",
      `Features cannot be normalised by ${JSON.stringify(normalize)}. ${describeChoices(normalize, NORMALIZATIONS)}`,
    );
  }
  const winLength = options.winLength ?? Math.round(0.025 * sampleRate);
  const mel = resolveMelOptions({
    winLength,
    hopLength: Math.round(0.01 * sampleRate),
    nFft: 2 ** Math.ceil(Math.log2(winLength)),
    nMels: sampleRate < 16000 ? 40 : 80,
    fMin: 20,
    padMode: "constant",
    log: "natural",
    ...options,
    sampleRate,
  });
  return { ...mel, normalize };
}

/** Waveforms to normalised log-mel features [batch, frames, nMels]; 0 behind each one's end. */
export class LogMelFrontEnd extends SpeechFrontEnd {
  readonly options: ResolvedFrontEnd;
  readonly #mel: MelSpectrogram;

  constructor(options: ResolvedFrontEnd) {
    super();
    this.options = options;
    const { normalize: _normalize, ...mel } = options;
    this.#mel = new MelSpectrogram(mel);
  }

  get bands(): ResolvedMelOptions {
    return this.options;
  }

  get sampleRate(): number {
    return this.options.sampleRate;
  }

  get numFeatures(): number {
    return this.options.nMels;
  }

  get hopLength(): number {
    return this.options.hopLength;
  }

  frames(samples: number): number {
    return countFrames(samples, this.options);
  }

  forward({ waveforms, lengths }: Waveforms): PaddedSequences {
    const features = this.#mel.forward(waveforms);
    const [, frames, bands] = features.shape as [number, number, number];
    const counts = this.#frameCounts(lengths);
    const mask = sequenceMask(tf.cast(counts, "int32"), frames);
    return { values: this.#normalize(features, mask, counts, bands), lengths: tf.cast(counts, "int32") };
  }

  /** As `countFrames`, float32 [batch], and at least 1: a clip that is shorter than a window is followed by silence. */
  #frameCounts(lengths: tf.Tensor): tf.Tensor {
    const { nFft, hopLength, center, dropLastFrame } = this.options;
    const extra = (center ? 2 * Math.floor(nFft / 2) : 0) - nFft;
    const steps = tf.floor(tf.mul(tf.add(tf.cast(lengths, "float32"), extra + 0.5), 1 / hopLength));
    return tf.maximum(dropLastFrame ? steps : tf.add(steps, 1), 1);
  }

  #normalize(features: tf.Tensor, mask: tf.Tensor, counts: tf.Tensor, bands: number): tf.Tensor {
    const { normalize } = this.options;
    if (normalize === "none") return tf.mul(features, mask);
    const axes = normalize === "band" ? [1] : [1, 2];
    const size = tf.reshape(tf.mul(counts, normalize === "band" ? 1 : bands), [-1, 1, 1]);
    const mean = tf.div(tf.sum(tf.mul(features, mask), axes, true), size);
    const centred = tf.mul(tf.sub(features, mean), mask);
    const variance = tf.div(tf.sum(tf.square(centred), axes, true), size);
    return tf.div(centred, tf.add(tf.sqrt(variance), SMALLEST_DEVIATION));
  }
}
