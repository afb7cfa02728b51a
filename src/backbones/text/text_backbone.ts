/** What a text task needs to know of a backbone. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Module } from "../../nn/index.js";
import type { TextPreprocessor } from "./text_preprocessor.js";

/** A batch on the device: arrays by name, as the preprocessor collates them. */
export type TextInputs = Record<string, tf.Tensor>;

/** A network on texts. */
export interface TextModule extends Module<TextInputs, tf.Tensor> {
  readonly numFeatures: number;
  /** One vector for each text, [batch, numFeatures]. */
  forward(inputs: TextInputs): tf.Tensor;
  /** One vector for each token, [batch, length, numFeatures]. */
  forwardTokens?(inputs: TextInputs): tf.Tensor;
}

/** How a backbone learns well unless the user says otherwise. */
export interface TextRecipe {
  /** AdamW's rate after warm-up. */
  learningRate: number;
  weightDecay: number;
}

/** For encoders with learned weights. */
export const PRETRAINED_RECIPE: TextRecipe = { learningRate: 5e-4, weightDecay: 0.01 };

/** A network on texts, and what it needs besides weights. */
export interface TextBackbone {
  name: string;
  module: TextModule;
  preprocessor: TextPreprocessor;
  recipe: TextRecipe;
  /** Whether its weights were learned before, rather than drawn: it then trains ten times slower than the new head. */
  pretrained: boolean;
  /** What brings the network back, weights apart; undefined for a backbone of the user's own. */
  saved?: SavedTextBackbone;
}

/** A backbone as JSON and files. */
export interface SavedTextBackbone {
  kind: string;
  options: unknown;
  /** Makes files besides those of the preprocessor. */
  files?: () => Record<string, Uint8Array>;
  /**
   * Likewise, with the weights as they are now, where files can hold all of them: the network's state is then not saved
   * besides. undefined where they cannot.
   */
  filesWithWeights?: () => Record<string, Uint8Array> | undefined;
}
