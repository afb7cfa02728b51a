/** What encoders of speech share: sequences of different lengths in one batch. */
import * as tf from "@tensorflow/tfjs-core";
import { Module } from "../../../nn/index.js";
import type { SpeechFrontEnd } from "../features/speech_front_end.js";

/** Sequences in one array, each padded behind its end. */
export interface PaddedSequences {
  /** [batch, frames, width]; 0 behind each sequence's end. */
  values: tf.Tensor;
  /** int32 [batch]: the frames of each sequence. */
  lengths: tf.Tensor;
}

/** Turns features into hidden states, usually fewer a second. */
export abstract class SpeechEncoder extends Module<PaddedSequences, PaddedSequences> {
  /** Width of the hidden states. */
  abstract readonly numFeatures: number;
  /** Frames of features for one hidden state. */
  abstract readonly subsampling: number;
  /** What turns waveforms into the features that it takes. Default: the recogniser's own, log-mel. */
  readonly frontEnd: SpeechFrontEnd | undefined = undefined;
}

/** float32 [batch, frames, 1]: 1 within the sequences, 0 behind their ends. */
export function sequenceMask(lengths: tf.Tensor, frames: number): tf.Tensor {
  const times = tf.tensor1d(
    Int32Array.from({ length: frames }, (_, t) => t),
    "int32",
  );
  const within = tf.less(times, tf.reshape(lengths, [-1, 1]));
  return tf.expandDims(tf.cast(within, "float32"), 2);
}

/** ⌈lengths / 2⌉: what is left behind a layer with stride 2, a kernel of 3 and a padding of 1. */
export function halvedLengths(lengths: tf.Tensor): tf.Tensor {
  const halves = tf.floor(tf.mul(tf.add(tf.cast(lengths, "float32"), 1), 0.5));
  return tf.cast(halves, "int32");
}
