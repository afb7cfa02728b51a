/** What a TextClassifier can be told. */
import type { TokenOptions } from "../../backbones/text/registry.js";
import type { TextBackbone } from "../../backbones/text/text_backbone.js";
import type { ClassifierOptions } from "../classifier_options.js";
import type { TextClassificationData } from "./text_classification_data.js";

/** Options of `TextClassifier`. What n-grams and tokens there are is learned from the training part of `data`. */
export interface TextClassifierOptions extends ClassifierOptions<TextClassificationData>, TokenOptions {
  /**
   * A name of `availableTextBackbones()`; an encoder with learned weights (a name of `availableBackbones("text")`, a folder,
   * or a repository on the hub as `organisation/name`); or a backbone of your own. Default: `bag-of-ngrams`.
   */
  backbone?: string | TextBackbone;
  /** The path of a safetensors file with Hugging Face's parameter names, for the `bert-…` backbones. Default: random weights. */
  pretrained?: string;
  /** AdamW's rate after warm-up. Default: what suits the backbone, 1e-2 for `bag-of-ngrams`. */
  learningRate?: number;
  /** Default: what suits the backbone, 0 for `bag-of-ngrams`. */
  weightDecay?: number;
}
