/** What an AudioClassifier can be told, and what of it makes no sense. */
import type { AudioDecodeOptions } from "../../data/index.js";
import type { ClassifierOptions } from "../classifier_options.js";
import type { OutputOptions } from "../outputs.js";
import type { AudioClassificationData } from "./audio_classification_data.js";
import type { AudioBackbone } from "./backbones/audio_backbone.js";
import type { FrontEndOptions } from "./features/front_end.js";
import type { SpecAugmentOptions } from "./features/spec_augment.js";
import type { VoiceActivityOptions } from "./voice_activity.js";

/** Options of `AudioClassifier`. */
export interface AudioClassifierOptions extends ClassifierOptions<AudioClassificationData> {
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
  /** Share of each target that is spread over all classes (Szegedy et al., 2015), 0 to 1. Default: 0.1; 0 where it cannot be. */
  labelSmoothing?: number;
}

/** Options of `AudioClassifier.predict`. */
export interface AudioPredictOptions extends OutputOptions, Omit<AudioDecodeOptions, "sampleRate"> {
  /** Classifies each stretch in which somebody speaks by itself. Default: false. */
  voiceActivity?: boolean | VoiceActivityOptions;
}
