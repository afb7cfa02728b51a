/** What a mel spectrogram can be told: torchaudio's names and defaults. */
import { ConfigurationError, describeChoices } from "../../../errors.js";
import type { MelNorm, MelScale } from "./mel_scale.js";

/**
 * How bands are compressed: `none`; `natural`: ln(x + logOffset); `log10`: log10(max(x, logOffset)); `decibel`:
 * 10 · log10(max(x, logOffset)), as torchaudio's AmplitudeToDB and librosa's power_to_db; `whisper`: log10, at most 8 below
 * the clip's peak, and then (x + 4) / 4.
 */
export type LogScale = "none" | "natural" | "log10" | "decibel" | "whisper";

export const LOG_SCALES = ["none", "natural", "log10", "decibel", "whisper"] as const;

/** Options of mel spectrograms, with torchaudio's names and defaults. */
export interface MelSpectrogramOptions {
  /** In Hz. Default: 16000. */
  sampleRate?: number;
  /** Length of the Fourier transform in samples. Default: 400. */
  nFft?: number;
  /** Length of the Hann window, in the middle of the transform, in samples. Default: `nFft`. */
  winLength?: number;
  /** From one frame to the next, in samples. Default: half of `winLength`. */
  hopLength?: number;
  /** Lowest frequency in Hz. Default: 0. */
  fMin?: number;
  /** Highest frequency in Hz. Default: half of the sample rate. */
  fMax?: number;
  /** Default: 128. */
  nMels?: number;
  /** Of the magnitude: 2 for power, 1 for magnitude. Default: 2. */
  power?: 1 | 2;
  /** Whether frame t is centred on sample t · hopLength, with the ends mirrored, rather than starting there. Default: true. */
  center?: boolean;
  /** What lies beyond the ends with `center`. Default: `reflect`. */
  padMode?: "reflect" | "constant";
  /** Default: `htk`. */
  melScale?: MelScale;
  /** Default: null. */
  norm?: MelNorm;
  /** Default: `none`. */
  log?: LogScale;
  /** What is added before, or the floor of, the logarithm. Default: 1e-6 for `natural`, else 1e-10. */
  logOffset?: number;
  /** With `decibel`: how far below the clip's peak values are cut off. Default: not at all. */
  topDb?: number | null;
  /** Whether the last frame is left out, as Whisper does. Default: false. */
  dropLastFrame?: boolean;
}

/** All options with their values. */
export type ResolvedMelOptions = Required<MelSpectrogramOptions>;

/** @throws ConfigurationError `ERR_MEL_OPTION` */
export function resolveMelOptions(options: MelSpectrogramOptions = {}): ResolvedMelOptions {
  const {
    sampleRate = 16000,
    nFft = 400,
    winLength = nFft,
    hopLength = Math.floor(winLength / 2),
    fMin = 0,
    fMax = sampleRate / 2,
    nMels = 128,
    power = 2,
    center = true,
    padMode = "reflect",
    melScale = "htk",
    norm = null,
    log = "none",
    logOffset = log === "natural" ? 1e-6 : 1e-10,
    topDb = null,
    dropLastFrame = false,
  } = options;
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_MEL_OPTION", message);
  };
  for (const [name, value] of Object.entries({ nFft, winLength, hopLength, nMels })) {
    if (!Number.isInteger(value) || value < 1)
      refuse(`\`${name}\` is a positive whole number, not ${value}.`);
  }
  if (!(sampleRate > 0)) refuse(`\`sampleRate\` is a positive number of Hz, not ${sampleRate}.`);
  if (nFft < 2 || winLength > nFft) {
    refuse(
      `The window of ${winLength} samples must fit into the transform of ${nFft}, which has at least 2.`,
    );
  }
  if (!LOG_SCALES.includes(log)) {
    refuse(`There is no logarithm ${JSON.stringify(log)}. ${describeChoices(log, LOG_SCALES)}`);
  }
  if (topDb !== null && log !== "decibel") refuse("`topDb` belongs to the logarithm `decibel`.");
  return {
    sampleRate,
    nFft,
    winLength,
    hopLength,
    fMin,
    fMax,
    nMels,
    power,
    center,
    padMode,
    melScale,
    norm,
    log,
    logOffset,
    topDb,
    dropLastFrame,
  };
}

/** Whether values depend on the whole clip, so that they cannot be computed while it still comes in. */
export function dependsOnPeak({ log, topDb }: ResolvedMelOptions): boolean {
  return log === "whisper" || topDb !== null;
}

/** The Hann window (periodic), in the middle of `nFft` samples. */
export function paddedWindow({ nFft, winLength }: ResolvedMelOptions): Float64Array {
  const window = new Float64Array(nFft);
  const start = Math.floor((nFft - winLength) / 2);
  for (let i = 0; i < winLength; i++) {
    window[start + i] = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / winLength);
  }
  return window;
}

/** How many frames a clip of so many samples has. */
export function countFrames(
  samples: number,
  { nFft, hopLength, center, dropLastFrame }: ResolvedMelOptions,
): number {
  const padded = center ? samples + 2 * Math.floor(nFft / 2) : samples;
  if (samples === 0 || padded < nFft) return 0;
  return Math.max(0, 1 + Math.floor((padded - nFft) / hopLength) - (dropLastFrame ? 1 : 0));
}
