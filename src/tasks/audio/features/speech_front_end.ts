/** What stands between waveforms and an encoder of speech. */
import type * as tf from "@tensorflow/tfjs-core";
import type { ResolvedMelOptions } from "../../../data/audio/features/mel_options.js";
import { Module } from "../../../nn/index.js";
import type { PaddedSequences } from "../encoders/speech_encoder.js";

/** A batch of waveforms. */
export interface Waveforms {
  /** [batch, samples]; 0 behind each one's end. */
  waveforms: tf.Tensor;
  /** int32 [batch]: the samples of each. */
  lengths: tf.Tensor;
}

/** Waveforms to [batch, frames, numFeatures]. */
export abstract class SpeechFrontEnd extends Module<Waveforms, PaddedSequences> {
  /** Of the waveforms, in Hz. */
  abstract readonly sampleRate: number;
  /** Samples from one frame to the next. */
  abstract readonly hopLength: number;
  /** Of a frame. */
  abstract readonly numFeatures: number;
  /** The bands of frequencies that frames are made of, of which SpecAugment can hide some; undefined where frames are samples. */
  abstract readonly bands: ResolvedMelOptions | undefined;

  /** The longest clip that can be heard, in samples. */
  readonly maxSamples: number = Infinity;

  /** How many frames a clip of so many samples has. */
  abstract frames(samples: number): number;

  /** How many frames come out of a batch of so many samples. */
  batchFrames(samples: number): number {
    return this.frames(samples);
  }
}
