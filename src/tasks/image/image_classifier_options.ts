/** What an ImageClassifier can be told, and what of it makes no sense. */
import type { ImageBackbone } from "../../backbones/index.js";
import { ConfigurationError } from "../../errors.js";
import type { MixOptions } from "./batch_transforms.js";
import type { ImageClassificationData } from "./image_classification_data.js";

/** Options of `ImageClassifier`. */
export interface ImageClassifierOptions extends MixOptions {
  /** Where `labels` and `multiLabel` come from, unless they are given. */
  data?: ImageClassificationData;
  /** The names of the classes, in the order of their ids. */
  labels?: readonly string[];
  /** Whether a picture may show several classes, or none. Default: as the data say, else false. */
  multiLabel?: boolean;
  /**
   * A name of `availableBackbones()`, a local folder in the Hugging Face layout, or a backbone of your own. Default:
   * `small_cnn`.
   */
  backbone?: string | ImageBackbone;
  /** The path of torchvision weights as safetensors, or `false` for random weights; see `createImageBackbone`. */
  pretrained?: boolean | string;
  /** Edge of the square that pictures are resized to, in pixels. Default: what the backbone was made for. */
  imageSize?: number;
  /**
   * Whether the features of a backbone that is frozen for good are kept on disk for the next run, and not only in memory:
   * `true` for the user's cache folder, or the path of a folder. They are found again for pictures whose files have not
   * changed, under the same model with the same weights, where nothing but resizing and cutting prepares them. Default: false.
   */
  cacheFeatures?: boolean | string;
  /** AdamW's rate after warm-up. Default: 2e-3, or 1e-3 for a pretrained backbone that trains too. */
  learningRate?: number;
  /** Default: 0.01. */
  weightDecay?: number;
  /** Share of each target that is spread over all classes (Szegedy et al., 2015), 0 to 1. Default: 0. */
  labelSmoothing?: number;
  /** The weight of each class in the loss, in the order of `labels`. Default: equal. */
  classWeights?: readonly number[];
}

/** @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
export function checkImageClassifierOptions(options: ImageClassifierOptions): void {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_CLASSIFIER_OPTION", message);
  };
  const labels = options.labels ?? options.data?.labels;
  if (labels === undefined) return refuse("An ImageClassifier needs `data` or `labels` to know its classes.");
  if (labels.length < 2 && !(options.multiLabel ?? options.data?.multiLabel)) {
    refuse(`A classifier needs at least two classes to choose from; it was given ${JSON.stringify(labels)}.`);
  }
  if (new Set(labels).size !== labels.length) refuse(`The labels repeat themselves: ${labels.join(", ")}.`);
  const { classWeights, labelSmoothing = 0, imageSize, learningRate, weightDecay } = options;
  if (classWeights !== undefined && classWeights.length !== labels.length) {
    refuse(`\`classWeights\` holds ${classWeights.length} weights for ${labels.length} classes.`);
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    refuse(`\`labelSmoothing\` is from 0 to below 1, not ${labelSmoothing}.`);
  if (imageSize !== undefined && !(Number.isInteger(imageSize) && imageSize > 0)) {
    refuse(`\`imageSize\` is a positive whole number of pixels, not ${imageSize}.`);
  }
  for (const [name, value] of Object.entries({ learningRate, weightDecay })) {
    if (value !== undefined && !(value >= 0)) refuse(`\`${name}\` is a number from 0 up, not ${value}.`);
  }
}
