/** What an ImageClassifier can be told, and what of it makes no sense. */
import type { ImageBackbone, ImageBackboneName } from "../../backbones/index.js";
import { refuseOption, type ClassifierOptions } from "../classifier_options.js";
import type { MixOptions } from "./batch_transforms.js";
import type { ImageClassificationData } from "./image_classification_data.js";

/** Options of `ImageClassifier`. */
export interface ImageClassifierOptions extends ClassifierOptions<ImageClassificationData>, MixOptions {
  /**
   * A name of `ImageClassifier.availableBackbones()`, a folder in the Hugging Face layout, a repository on the hub as
   * `organisation/name`, or a backbone of your own. `downloadBackbone` brings weights from the hub. Default: `small_cnn`.
   */
  backbone?: ImageBackboneName | (string & {}) | ImageBackbone;
  /**
   * For an architecture: `false` for random weights, or the path or repository of other weights than the registry's. Default:
   * the registry's weights, or random ones where it has none.
   */
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
}

/** What the options of every classifier do not cover. @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
export function checkImageClassifierOptions({
  imageSize,
  focalGamma = 0,
  multiLabel,
  data,
  ...mix
}: ImageClassifierOptions): void {
  if (imageSize !== undefined && !(Number.isInteger(imageSize) && imageSize > 0)) {
    refuseOption(`\`imageSize\` is a positive whole number of pixels, not ${imageSize}.`);
  }
  const { mixupAlpha, cutmixAlpha } = mix;
  for (const [name, value] of Object.entries({ mixupAlpha, cutmixAlpha })) {
    if (value !== undefined && !(value >= 0))
      refuseOption(`\`${name}\` is a number from 0 up, not ${value}.`);
  }
  if (focalGamma > 0 && mixes(mix) && !(multiLabel ?? data?.multiLabel)) {
    refuseOption(
      "`focalGamma` is for targets of one class, and `mixupAlpha` and `cutmixAlpha` mix classes: leave one of them out.",
    );
  }
}

/** Whether pictures of a training batch are mixed with each other. */
export function mixes({ mixupAlpha = 0, cutmixAlpha = 0 }: MixOptions): boolean {
  return mixupAlpha > 0 || cutmixAlpha > 0;
}
