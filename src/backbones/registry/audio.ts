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
  "wav2vec2-base": {
    source: "facebook/wav2vec2-base",
    weights: "safetensors",
    sampleRate: 16_000,
    input: "waveform",
    numFeatures: 768,
    parameters: 94.4,
    licence: "Apache-2.0",
    tried: "no",
  },
} as const satisfies Record<string, AudioBackboneEntry>;

/** The names of audio backbones. */
export type AudioBackboneName = keyof typeof audioBackbones;
