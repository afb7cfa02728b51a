/** How an audio classifier becomes an ONNX file: its outputs, and what the file says of them. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxModuleExportOptions } from "../../onnx/index.js";
import {
  soundExport,
  type AudioExportOptions,
  type ExportedAudioTask,
  type ExportedSounds,
} from "./export_audio.js";

/** Options of `AudioClassifier.exportOnnx`. */
export interface AudioClassifierExportOptions extends AudioExportOptions {
  /** Whether there is a second output, `probabilities`: the softmax of `logits`, or with `multiLabel` the sigmoid. Default: false. */
  probabilities?: boolean;
}

/** What of a classifier the file is made of. */
export interface ExportedAudioClassifier {
  labels: readonly string[];
  multiLabel: boolean;
  /** In Hz. */
  sampleRate: number;
  forward: (sounds: ExportedSounds) => tf.Tensor;
}

/** What `exportOnnx` is to be told of a classifier. */
export function audioClassifierExport(
  { labels, multiLabel, sampleRate, forward }: ExportedAudioClassifier,
  { probabilities = false, ...options }: AudioClassifierExportOptions,
): OnnxModuleExportOptions<{ waveforms: tf.Tensor; lengths: tf.Tensor }> {
  const exported: ExportedAudioTask = {
    description: { task: "AudioClassifier", labels, multiLabel },
    sampleRate,
    outputs: ["logits", ...(probabilities ? ["probabilities"] : [])],
    forward: (sounds) => {
      const logits = forward(sounds);
      const results: Record<string, tf.Tensor> = { logits };
      if (probabilities) results.probabilities = multiLabel ? tf.sigmoid(logits) : tf.softmax(logits);
      return results;
    },
  };
  return soundExport(exported, options);
}
