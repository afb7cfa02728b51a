/** Everything public of sound on the host. */
export { decodeAudio, type Waveform } from "./decode.js";
export { streamAudio, type AudioDecodeOptions, type AudioPiece } from "./audio_stream.js";
export { resample, Resampler, type ResampleOptions } from "./resample.js";
export type { AudioChunks, AudioSamples, AudioSource } from "./source.js";
export {
  hzToMel,
  melFilterbank,
  melToHz,
  type MelFilterbankOptions,
  type MelNorm,
  type MelScale,
} from "./features/mel_scale.js";
export type { LogScale, MelSpectrogramOptions, ResolvedMelOptions } from "./features/mel_options.js";
export { melSpectrogram, MelSpectrogramStream } from "./features/mel_spectrogram.js";
export { mfcc, type MfccOptions } from "./features/mfcc.js";
export { AudioDataset, type AudioDatasetOptions, type AudioSample } from "./audio_dataset.js";
export { AudioTransform, type AudioTransformDescription } from "./transforms/transform.js";
export {
  AddNoise,
  RandomGain,
  RandomSpeed,
  RoomResponse,
  type AddNoiseOptions,
  type RandomGainOptions,
  type RandomSpeedOptions,
  type RoomResponseOptions,
} from "./transforms/waveform_transforms.js";
