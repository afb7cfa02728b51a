/** What an audio classifier needs to know of a backbone, whichever way it runs. */
import type * as tf from "@tensorflow/tfjs-core";
import type { HostTensor } from "../../../host_tensor.js";
import type { Module } from "../../../nn/index.js";
import type { PaddedSequences } from "../encoders/speech_encoder.js";

/** A backbone written with `nn`: it trains. */
export interface TrainableAudioBackbone {
  kind: "module";
  name: string;
  /** Features of the front end to [batch, numFeatures]. */
  module: Module<PaddedSequences, tf.Tensor>;
  numFeatures: number;
  /** Whether its weights were loaded rather than drawn. */
  pretrained: boolean;
}

/** A backbone that runs as its own ONNX Runtime sessions: it does not train, and its features can be kept. */
export interface FrozenAudioBackbone {
  kind: "frozen";
  name: string;
  numFeatures: number;
  /** What sounds are converted to, in Hz. */
  sampleRate: number;
  /** The ONNX files by name, for saving them inside a task. */
  files: Readonly<Record<string, Uint8Array>>;
  /** One sound to float32 [numFeatures]. */
  extract(samples: Float32Array): HostTensor;
}

/** A backbone of sounds: one that can be trained, or one that runs frozen. */
export type AudioBackbone = TrainableAudioBackbone | FrozenAudioBackbone;
