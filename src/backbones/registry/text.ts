/** The text backbones that have a name. */
import type { BackboneEntry } from "./entry.js";

/** A line of the table of text backbones. */
export interface TextBackboneEntry extends BackboneEntry {
  /** How text becomes tokens; the repository's `tokenizer.json` holds it. */
  readonly tokenizer: "WordPiece" | "BPE" | "SentencePiece";
  /** The longest sequence, in tokens. */
  readonly maxLength: number;
  /** How a text's features are taken from its tokens' hidden states: the first token, or the mean over all. */
  readonly pooling: "first" | "mean";
}

export const textBackbones = {
  "distilbert-base-uncased": {
    source: "distilbert/distilbert-base-uncased",
    weights: "safetensors",
    tokenizer: "WordPiece",
    maxLength: 512,
    pooling: "first",
    numFeatures: 768,
    parameters: 66,
    licence: "Apache-2.0",
    tried: "no",
  },
} as const satisfies Record<string, TextBackboneEntry>;

/** The names of text backbones. */
export type TextBackboneName = keyof typeof textBackbones;
