/** What an AudioClassifier can be told, and what of it makes no sense. */
import type { AudioDecodeOptions } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import type { OutputOptions } from "../outputs.js";
import type { AudioClassificationData } from "./audio_classification_data.js";
import type { AudioBackbone } from "./backbones/audio_backbone.js";
import type { FrontEndOptions } from "./features/front_end.js";
import type { SpecAugmentOptions } from "./features/spec_augment.js";
import type { VoiceActivityOptions } from "./voice_activity.js";

/** Options of `AudioClassifier`. */
export interface AudioClassifierOptions {
  /** Where `labels` and `multiLabel` come from, unless they are given. */
  data?: AudioClassificationData;
  /** The names of the classes, in the order of their ids. */
  labels?: readonly string[];
  /** Whether a sound may be of several classes, or of none. Default: as the data say, else false. */
  multiLabel?: boolean;
  /**
   * `audio_cnn`, the path of a folder with openWakeWord's `melspectrogram.onnx` and `embedding_model.onnx` (which runs
   * frozen), or a backbone of your own. Default: `audio_cnn`.
   */
  backbone?: string | AudioBackbone;
  /** How waveforms become features for a backbone that trains. Default: log-mel at 16 kHz, normalised as a whole. */
  frontEnd?: FrontEndOptions;
  /** What of the features is hidden in training, or false for nothing. Default: see `SpecAugmentOptions`. */
  specAugment?: SpecAugmentOptions | false;
  /** AdamW's rate after warm-up. Default: 2e-3. */
  learningRate?: number;
  /** Default: 0.01. */
  weightDecay?: number;
  /** Share of each target that is spread over all classes (Szegedy et al., 2015), 0 to 1. Default: 0.1. */
  labelSmoothing?: number;
  /** The weight of each class in the loss, in the order of `labels`. Default: equal. */
  classWeights?: readonly number[];
}

/** Options of `AudioClassifier.predict`. */
export interface AudioPredictOptions extends OutputOptions, Omit<AudioDecodeOptions, "sampleRate"> {
  /** Classifies each stretch in which somebody speaks by itself. Default: false. */
  voiceActivity?: boolean | VoiceActivityOptions;
}

/** @throws ConfigurationError `ERR_CLASSIFIER_OPTION` */
export function checkAudioClassifierOptions(options: AudioClassifierOptions): void {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_CLASSIFIER_OPTION", message);
  };
  const labels = options.labels ?? options.data?.labels;
  if (labels === undefined) return refuse("An AudioClassifier needs `data` or `labels` to know its classes.");
  if (labels.length < 2 && !(options.multiLabel ?? options.data?.multiLabel)) {
    refuse(`A classifier needs at least two classes to choose from; it was given ${JSON.stringify(labels)}.`);
  }
  if (new Set(labels).size !== labels.length) refuse(`The labels repeat themselves: ${labels.join(", ")}.`);
  const { classWeights, labelSmoothing = 0, learningRate, weightDecay } = options;
  if (classWeights !== undefined && classWeights.length !== labels.length) {
    refuse(`\`classWeights\` holds ${classWeights.length} weights for ${labels.length} classes.`);
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    refuse(`\`labelSmoothing\` is from 0 to below 1, not ${labelSmoothing}.`);
  }
  for (const [name, value] of Object.entries({ learningRate, weightDecay })) {
    if (value !== undefined && !(value >= 0)) refuse(`\`${name}\` is a number from 0 up, not ${value}.`);
  }
}
