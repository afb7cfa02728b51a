/** For encoders that hear samples, as wav2vec 2.0's do. */
import * as tf from "@tensorflow/tfjs-core";
import { sequenceMask, type PaddedSequences } from "../encoders/speech_encoder.js";
import { SpeechFrontEnd, type Waveforms } from "./speech_front_end.js";

/** Added to variances, as Hugging Face's feature extractor of wav2vec 2.0 does. */
const SMALLEST_VARIANCE = 1e-7;

/** Waveforms [batch, samples] to [batch, samples, 1], each with mean 0 and deviation 1 where that is asked for. */
export class WaveformFrontEnd extends SpeechFrontEnd {
  readonly sampleRate: number;
  readonly hopLength = 1;
  readonly numFeatures = 1;
  readonly bands = undefined;
  readonly #normalize: boolean;

  constructor({ sampleRate, normalize }: { sampleRate: number; normalize: boolean }) {
    super();
    this.sampleRate = sampleRate;
    this.#normalize = normalize;
  }

  frames(samples: number): number {
    return samples;
  }

  forward({ waveforms, lengths }: Waveforms): PaddedSequences {
    const values = tf.expandDims(waveforms, 2);
    const mask = sequenceMask(lengths, waveforms.shape[1]!);
    if (!this.#normalize) return { values: tf.mul(values, mask), lengths };
    const size = tf.reshape(tf.maximum(tf.cast(lengths, "float32"), 1), [-1, 1, 1]);
    const mean = tf.div(tf.sum(tf.mul(values, mask), 1, true), size);
    const centred = tf.mul(tf.sub(values, mean), mask);
    const variance = tf.div(tf.sum(tf.square(centred), 1, true), size);
    return { values: tf.div(centred, tf.sqrt(tf.add(variance, SMALLEST_VARIANCE))), lengths };
  }
}
