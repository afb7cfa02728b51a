/** Everything public of sound on the host. */
export { decodeAudio, type Waveform } from "./decode.js";
export { streamAudio, type AudioDecodeOptions, type AudioPiece } from "./audio_stream.js";
export { resample, Resampler } from "./resample.js";
export {
  isAudioSamples,
  nameOfAudio,
  type AudioChunks,
  type AudioSamples,
  type AudioSource,
} from "./source.js";
export {
  hzToMel,
  melFilterbank,
  melToHz,
  type MelFilterbankOptions,
  type MelNorm,
  type MelScale,
} from "./features/mel_scale.js";
export {
  countFrames,
  paddedWindow,
  resolveMelOptions,
  type LogScale,
  type MelSpectrogramOptions,
  type ResolvedMelOptions,
} from "./features/mel_options.js";
export { melSpectrogram, MelSpectrogramStream } from "./features/mel_spectrogram.js";
export { cosineBasis, mfcc, mfccMelOptions, type MfccOptions } from "./features/mfcc.js";
