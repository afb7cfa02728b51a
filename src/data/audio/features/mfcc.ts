/** Mel-frequency cepstral coefficients. */
import { ConfigurationError } from "../../../errors.js";
import { HostTensor } from "../../../host_tensor.js";
import { resolveMelOptions, type MelSpectrogramOptions } from "./mel_options.js";
import { melSpectrogram } from "./mel_spectrogram.js";

/** Options of `mfcc`: those of the mel spectrogram, in decibels cut off at 80 below the peak unless told otherwise. */
export interface MfccOptions extends MelSpectrogramOptions {
  /** Coefficients that are kept, at most `nMels`. Default: 40. */
  nMfcc?: number;
}

/** The mel options with the defaults that torchaudio's and librosa's MFCCs have. */
export function mfccMelOptions({ nMfcc: _nMfcc, ...options }: MfccOptions): MelSpectrogramOptions {
  const log = options.log ?? "decibel";
  return { ...options, log, topDb: options.topDb ?? (log === "decibel" ? 80 : null) };
}

/**
 * The orthonormal cosine transform (type 2) of a mel spectrogram's logarithm (Davis and Mermelstein, 1980), as torchaudio's
 * MFCC and librosa's mfcc with the same options.
 *
 * @param samples mono, -1 to 1
 * @returns float32 [frames, nMfcc]
 * @throws ConfigurationError `ERR_MEL_OPTION`
 */
export function mfcc(samples: Float32Array, options: MfccOptions = {}): HostTensor {
  const melOptions = mfccMelOptions(options);
  const { nMels } = resolveMelOptions(melOptions);
  const { nMfcc = 40 } = options;
  const basis = cosineBasis(nMfcc, nMels);
  const mel = melSpectrogram(samples, melOptions);
  const [frames] = mel.shape as [number, number];
  const out = new Float32Array(frames * nMfcc);
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < nMfcc; k++) {
      let sum = 0;
      for (let m = 0; m < nMels; m++) sum += basis[k * nMels + m]! * mel.data[t * nMels + m]!;
      out[t * nMfcc + k] = sum;
    }
  }
  return new HostTensor(out, [frames, nMfcc]);
}

/**
 * The first rows of the orthonormal cosine transform: float32 [nMfcc, nMels], flat.
 *
 * @throws ConfigurationError `ERR_MEL_OPTION`
 */
export function cosineBasis(nMfcc: number, nMels: number): Float32Array {
  if (!Number.isInteger(nMfcc) || nMfcc < 1 || nMfcc > nMels) {
    throw new ConfigurationError("ERR_MEL_OPTION", `\`nMfcc\` is 1 to \`nMels\`, ${nMels}, not ${nMfcc}.`);
  }
  return Float32Array.from({ length: nMfcc * nMels }, (_, i) => {
    const [k, m] = [Math.floor(i / nMels), i % nMels];
    const scale = Math.sqrt((k === 0 ? 1 : 2) / nMels);
    return scale * Math.cos((Math.PI * k * (2 * m + 1)) / (2 * nMels));
  });
}
