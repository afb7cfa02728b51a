/** A small convolutional network on log-mel features: it learns commands, digits and noises in a minute or two on a CPU. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, Module, relu } from "../../../nn/index.js";
import { halvedLengths, sequenceMask, type PaddedSequences } from "../encoders/speech_encoder.js";

const CHANNELS = [32, 64, 96, 128] as const;

/**
 * [batch, frames, bands] to [batch, 256]: four 3x3 convolutions with batch norm and Relu, the first with stride 2, the next
 * two with a 2x2 maximum behind them, odd lengths rounded up; then the mean and the maximum over the sound and its bands.
 */
export class AudioCnn extends Module<PaddedSequences, tf.Tensor> {
  readonly numFeatures = 2 * CHANNELS.at(-1)!;
  readonly convolutions: Conv2d[];
  readonly norms: BatchNorm2d[];

  constructor() {
    super();
    this.convolutions = CHANNELS.map((channels, i) => {
      const stride = i === 0 ? 2 : 1;
      return new Conv2d(CHANNELS[i - 1] ?? 1, channels, 3, { stride, padding: 1, bias: false });
    });
    this.norms = CHANNELS.map((channels) => new BatchNorm2d(channels));
  }

  forward({ values, lengths }: PaddedSequences): tf.Tensor {
    let maps: tf.Tensor = tf.expandDims(values, 3);
    let counts = lengths;
    this.convolutions.forEach((convolution, i) => {
      maps = relu(this.norms[i]!.forward(convolution.forward(maps)));
      if (i > 0 && i < HALVINGS) maps = tf.maxPool(maps as tf.Tensor4D, 2, 2, ROUNDING_UP);
      if (i < HALVINGS) counts = halvedLengths(counts);
      maps = tf.mul(maps, tf.expandDims(sequenceMask(counts, maps.shape[1]!), 3));
    });
    const size = tf.reshape(tf.mul(tf.cast(counts, "float32"), maps.shape[2]!), [-1, 1]);
    const mean = tf.div(tf.sum(maps, [1, 2]), size);
    // Behind a Relu nothing is below 0, which is what lies behind a sound's end.
    return tf.concat([mean, tf.max(maps, [1, 2])], 1);
  }
}

/** A place behind the last frame and band, so that a window that they leave half empty counts. */
const ROUNDING_UP: tf.backend_util.ExplicitPadding = [
  [0, 0],
  [0, 1],
  [0, 1],
  [0, 0],
];

/** How often frames and bands are halved: by all convolutions but the last. */
const HALVINGS = CHANNELS.length - 1;
