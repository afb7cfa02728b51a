/** The audio backbones that have a name. */
import type { BackboneEntry } from "./entry.js";

/** A line of the table of audio backbones. */
export interface AudioBackboneEntry extends BackboneEntry {
  /** Samples a second that it takes. */
  readonly sampleRate: number;
  /** What it takes: samples, or a mel spectrogram of them. */
  readonly input: "waveform" | "mel";
}

export const audioBackbones = {
  "wav2vec2-base-960h": {
    source: "facebook/wav2vec2-base-960h",
    weights: "safetensors",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 768,
    parameters: 94.4,
    licence: "Apache-2.0",
    tried: "no",
  },
  "wav2vec2-base-superb-ks": {
    source: "Xenova/wav2vec2-base-superb-ks",
    weights: "onnx",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 768,
    parameters: 94.4,
    licence: "Apache-2.0",
    tried: "no",
  },
  "wav2vec2-large-xlsr-53-english": {
    source: "Xenova/wav2vec2-large-xlsr-53-english",
    weights: "onnx",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 1024,
    parameters: 315.4,
    licence: "Apache-2.0",
    tried: "no",
  },
  "mms-300m": {
    source: "Xenova/mms-300m",
    weights: "onnx",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 1024,
    parameters: 315.4,
    licence: "CC-BY-NC-4.0",
    tried: "no",
  },
  "hubert-base-ls960": {
    source: "Xenova/hubert-base-ls960",
    weights: "onnx",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 768,
    parameters: 94.4,
    licence: "Apache-2.0",
    tried: "no",
  },
  "wavlm-base": {
    source: "Xenova/wavlm-base",
    weights: "onnx",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 768,
    parameters: 94.4,
    licence: "LicenseRef-Microsoft-UniSpeech",
    tried: "no",
  },
  "wavlm-base-plus": {
    source: "Xenova/wavlm-base-plus",
    weights: "onnx",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 768,
    parameters: 94.4,
    licence: "LicenseRef-Microsoft-UniSpeech",
    tried: "no",
  },
  "whisper-tiny": {
    source: "Xenova/whisper-tiny",
    weights: "onnx",
    file: "onnx/encoder_model.onnx",
    sampleRate: 16_000,
    input: "mel",
    numFeatures: 384,
    parameters: 8.2,
    licence: "Apache-2.0",
    tried: "no",
  },
  "whisper-base": {
    source: "Xenova/whisper-base",
    weights: "onnx",
    file: "onnx/encoder_model.onnx",
    sampleRate: 16_000,
    input: "mel",
    numFeatures: 512,
    parameters: 20.6,
    licence: "Apache-2.0",
    tried: "no",
  },
  "whisper-small": {
    source: "Xenova/whisper-small",
    weights: "onnx",
    file: "onnx/encoder_model.onnx",
    sampleRate: 16_000,
    input: "mel",
    numFeatures: 768,
    parameters: 88.2,
    licence: "Apache-2.0",
    tried: "no",
  },
  "ast-audioset": {
    source: "Xenova/ast-finetuned-audioset-10-10-0.4593",
    weights: "onnx",
    sampleRate: 16_000,
    input: "mel",
    numFeatures: 768,
    parameters: 86.2,
    licence: "BSD-3-Clause",
    tried: "no",
  },
} as const satisfies Record<string, AudioBackboneEntry>;

/** The names of audio backbones. */
export type AudioBackboneName = keyof typeof audioBackbones;
