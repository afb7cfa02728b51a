/** What the ONNX files of all tasks on sound have in common: waveforms with their lengths go in, and the features are part of the graph. */
import * as tf from "@tensorflow/tfjs-core";
import { HostTensor } from "../../host_tensor.js";
import {
  taskMetadata,
  type OnnxExportOptions,
  type OnnxModuleExportOptions,
  type TaskDescription,
} from "../../onnx/index.js";
import { Generator } from "../../random.js";

/** How a task on sound is exported. */
export type AudioExportOptions = Pick<OnnxExportOptions, "weights" | "externalData">;

/** Waveforms as a task's `forward` takes them. */
export interface ExportedSounds {
  /** float32 [batch, samples]. */
  input: tf.Tensor;
  /** int32 [batch]. */
  length: tf.Tensor;
}

/** What of a task the file is made of. */
export interface ExportedAudioTask {
  description: TaskDescription;
  /** In Hz. */
  sampleRate: number;
  forward: (sounds: ExportedSounds) => Record<string, tf.Tensor>;
  /** Of `forward`'s results. */
  outputs: readonly string[];
}

/** Of the sound that is recorded: how long sounds are when the model runs is another matter. */
const SAMPLE_SECONDS = 1;

/** What `exportOnnx` is to be told of a task on sound. */
export function soundExport(
  { description, sampleRate, forward, outputs }: ExportedAudioTask,
  options: AudioExportOptions,
): OnnxModuleExportOptions<{ waveforms: tf.Tensor; lengths: tf.Tensor }> {
  const random = new Generator(0);
  const samples = Math.round(SAMPLE_SECONDS * sampleRate);
  const waveforms = Float32Array.from({ length: 2 * samples }, () => 0.1 * random.normal());
  const lengths = Int32Array.of(samples, Math.round(0.6 * samples));
  return {
    ...options,
    inputs: {
      waveforms: new HostTensor(waveforms, [2, samples]),
      lengths: new HostTensor(lengths, [2]),
    },
    dynamicAxes: { waveforms: { 0: "batch", 1: "samples" }, lengths: { 0: "batch" } },
    int64Inputs: ["lengths"],
    // A length beyond the array's end would be an error deep inside the model.
    forward: (given) =>
      forward({
        input: given.waveforms,
        length: tf.minimum(given.lengths, tf.scalar(given.waveforms.shape[1]!, "int32")),
      }),
    metadata: taskMetadata({ ...description, sampleRate, inputs: ["waveforms", "lengths"], outputs }),
  };
}
