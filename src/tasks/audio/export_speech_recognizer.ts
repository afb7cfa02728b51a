/** How a speech recogniser becomes an ONNX file: its outputs, and what the file says of them. */
import type * as tf from "@tensorflow/tfjs-core";
import type { OnnxModuleExportOptions } from "../../onnx/index.js";
import type { PaddedSequences } from "./encoders/speech_encoder.js";
import { soundExport, type AudioExportOptions, type ExportedSounds } from "./export_audio.js";
import { BLANK, type Vocabulary } from "./transcripts/vocabulary.js";

/** What of a recogniser the file is made of. */
export interface ExportedSpeechRecognizer {
  vocabulary: Vocabulary;
  /** In Hz. */
  sampleRate: number;
  secondsPerFrame: number;
  forward(sounds: ExportedSounds): PaddedSequences;
}

/** What `exportOnnx` is to be told of a recogniser. */
export function speechRecognizerExport(
  recognizer: ExportedSpeechRecognizer,
  options: AudioExportOptions,
): OnnxModuleExportOptions<{ waveforms: tf.Tensor; lengths: tf.Tensor }> {
  const { vocabulary, sampleRate, secondsPerFrame } = recognizer;
  const { unit, tokens: labels } = vocabulary;
  const exported = {
    description: { task: "SpeechRecognizer", labels, unit, blank: BLANK, secondsPerFrame },
    sampleRate,
    outputs: ["logits", "logit_lengths"],
    forward: (sounds: ExportedSounds) => {
      const { values, lengths } = recognizer.forward(sounds);
      return { logits: values, logit_lengths: lengths };
    },
  };
  return soundExport(exported, options);
}
