/** What a TextClassifier can be told, and what of it makes no sense. */
import type { TokenOptions } from "../../backbones/text/registry.js";
import type { TextBackbone } from "../../backbones/text/text_backbone.js";
import { ConfigurationError } from "../../errors.js";
import { checkLossOptions, type ClassificationLossOptions } from "../classification_loss.js";
import type { TextClassificationData } from "./text_classification_data.js";

/** Options of `TextClassifier`. */
export interface TextClassifierOptions extends ClassificationLossOptions, TokenOptions {
  /** Where `labels` and `multiLabel` come from, unless they are given, and what n-grams and tokens are learned from. */
  data?: TextClassificationData;
  /** The names of the classes, in the order of their ids. */
  labels?: readonly string[];
  /** Whether a text may have several classes, or none. Default: as the data say, else false. */
  multiLabel?: boolean;
  /** A name of `availableTextBackbones()`, or a backbone of your own. Default: `bag-of-ngrams`. */
  backbone?: string | TextBackbone;
  /** The path of a safetensors file with Hugging Face's parameter names, for the `bert-…` backbones. Default: random weights. */
  pretrained?: string;
  /** AdamW's rate after warm-up. Default: what suits the backbone, 1e-2 for `bag-of-ngrams`. */
  learningRate?: number;
  /** Default: what suits the backbone, 0 for `bag-of-ngrams`. */
  weightDecay?: number;
}

/** @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
export function checkTextClassifierOptions(options: TextClassifierOptions): void {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_CLASSIFIER_OPTION", message);
  };
  const labels = options.labels ?? options.data?.labels;
  if (labels === undefined) return refuse("A TextClassifier needs `data` or `labels` to know its classes.");
  const multiLabel = options.multiLabel ?? options.data?.multiLabel ?? false;
  if (labels.length < (multiLabel ? 1 : 2)) {
    refuse(`A classifier needs at least two classes to choose from; it was given ${JSON.stringify(labels)}.`);
  }
  if (new Set(labels).size !== labels.length) refuse(`The labels repeat themselves: ${labels.join(", ")}.`);
  checkLossOptions(options, labels.length, multiLabel);
  if (options.classWeights === "balanced" && options.data?.counts.train === undefined) {
    refuse('`classWeights: "balanced"` needs `data` with a training part.');
  }
  const { learningRate, weightDecay } = options;
  for (const [name, value] of Object.entries({ learningRate, weightDecay })) {
    if (value !== undefined && !(value >= 0)) refuse(`\`${name}\` is a number from 0 up, not ${value}.`);
  }
}
