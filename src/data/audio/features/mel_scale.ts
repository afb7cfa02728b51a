/** The mel scale and its filters, as torchaudio and librosa have them. */
import { ConfigurationError, describeChoices } from "../../../errors.js";

/** `htk`: 2595 · log10(1 + f / 700); `slaney`: linear below 1000 Hz, logarithmic above, as in the Auditory Toolbox. */
export type MelScale = "htk" | "slaney";
/** `slaney` divides each filter by its width in Hz, so that all have the same area; `null` leaves peaks of 1. */
export type MelNorm = "slaney" | null;

export const MEL_SCALES = ["htk", "slaney"] as const;

const SLANEY_HZ_PER_MEL = 200 / 3;
const SLANEY_BREAK_HZ = 1000;
const SLANEY_BREAK_MEL = SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL;
const SLANEY_LOG_STEP = Math.log(6.4) / 27;

export function hzToMel(hz: number, scale: MelScale = "htk"): number {
  if (scale === "htk") return 2595 * Math.log10(1 + hz / 700);
  if (hz < SLANEY_BREAK_HZ) return hz / SLANEY_HZ_PER_MEL;
  return SLANEY_BREAK_MEL + Math.log(hz / SLANEY_BREAK_HZ) / SLANEY_LOG_STEP;
}

export function melToHz(mel: number, scale: MelScale = "htk"): number {
  if (scale === "htk") return 700 * (10 ** (mel / 2595) - 1);
  if (mel < SLANEY_BREAK_MEL) return mel * SLANEY_HZ_PER_MEL;
  return SLANEY_BREAK_HZ * Math.exp(SLANEY_LOG_STEP * (mel - SLANEY_BREAK_MEL));
}

/** Options of `melFilterbank`. */
export interface MelFilterbankOptions {
  sampleRate: number;
  nFft: number;
  nMels: number;
  /** In Hz. */
  fMin: number;
  /** In Hz. */
  fMax: number;
  melScale: MelScale;
  norm: MelNorm;
}

/**
 * Triangular filters over the bins of a spectrum: float64 [nMels][nFft / 2 + 1].
 *
 * @throws ConfigurationError `ERR_MEL_OPTION` for bands that cannot be
 */
export function melFilterbank(options: MelFilterbankOptions): Float64Array[] {
  const { sampleRate, nFft, nMels, fMin, fMax, melScale, norm } = options;
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_MEL_OPTION", message);
  };
  if (!MEL_SCALES.includes(melScale)) {
    refuse(`There is no mel scale ${JSON.stringify(melScale)}. ${describeChoices(melScale, MEL_SCALES)}`);
  }
  if (!(fMin >= 0 && fMin < fMax && fMax <= sampleRate / 2)) {
    refuse(
      `Mel bands lie between 0 Hz and half the sample rate, ${sampleRate / 2} Hz, with fMin below fMax; got ${fMin} to ${fMax}.`,
    );
  }
  const [low, high] = [hzToMel(fMin, melScale), hzToMel(fMax, melScale)];
  const corners = Array.from({ length: nMels + 2 }, (_, i) =>
    melToHz(low + ((high - low) * i) / (nMels + 1), melScale),
  );
  return Array.from({ length: nMels }, (_, band) => {
    const [left, centre, right] = corners.slice(band, band + 3) as [number, number, number];
    const height = norm === "slaney" ? 2 / (right - left) : 1;
    return Float64Array.from({ length: Math.floor(nFft / 2) + 1 }, (_, bin) => {
      const hz = (bin * sampleRate) / nFft;
      const slope = Math.min((hz - left) / (centre - left), (right - hz) / (right - centre));
      return height * Math.max(0, slope);
    });
  });
}
