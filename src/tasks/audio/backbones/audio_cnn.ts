/** A small convolutional network on log-mel features: it learns commands, digits and noises in a minute or two on a CPU. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, MaxPool2d, Module, relu } from "../../../nn/index.js";
import { sequenceMask, type PaddedSequences } from "../encoders/speech_encoder.js";

const CHANNELS = [32, 64, 128] as const;

/**
 * [batch, frames, bands] to [batch, 256]: three stages of two 3x3 convolutions with batch norm and Relu, the first two
 * with a 2x2 maximum behind them; then the mean and the maximum over the sound and its bands.
 */
export class AudioCnn extends Module<PaddedSequences, tf.Tensor> {
  readonly numFeatures = 2 * CHANNELS.at(-1)!;
  readonly stages: ConvStage[];
  readonly pool: MaxPool2d;

  constructor() {
    super();
    this.stages = CHANNELS.map((channels, i) => new ConvStage(i === 0 ? 1 : CHANNELS[i - 1]!, channels));
    this.pool = new MaxPool2d(2);
  }

  forward({ values, lengths }: PaddedSequences): tf.Tensor {
    let maps: tf.Tensor = tf.expandDims(evenAxes(values), 3);
    let counts: tf.Tensor = tf.cast(lengths, "float32");
    this.stages.forEach((stage, i) => {
      const mask = tf.expandDims(sequenceMask(tf.cast(counts, "int32"), maps.shape[1]!), 3);
      maps = stage.forward({ maps, mask });
      if (i === this.stages.length - 1) return;
      maps = this.pool.forward(maps);
      counts = tf.floor(tf.mul(tf.add(counts, 1), 0.5));
    });
    const [, frames, bands] = maps.shape as [number, number, number, number];
    const mask = tf.expandDims(sequenceMask(tf.cast(counts, "int32"), frames), 3);
    const size = tf.reshape(tf.mul(counts, bands), [-1, 1]);
    const mean = tf.div(tf.sum(tf.mul(maps, mask), [1, 2]), size);
    // Behind a Relu nothing is below 0, which is what lies behind a sound's end.
    return tf.concat([mean, tf.max(maps, [1, 2])], 1);
  }
}

interface MaskedMaps {
  maps: tf.Tensor;
  mask: tf.Tensor;
}

class ConvStage extends Module<MaskedMaps, tf.Tensor> {
  readonly conv1: Conv2d;
  readonly norm1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly norm2: BatchNorm2d;

  constructor(inChannels: number, channels: number) {
    super();
    this.conv1 = new Conv2d(inChannels, channels, 3, { padding: 1, bias: false });
    this.norm1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.norm2 = new BatchNorm2d(channels);
  }

  forward({ maps, mask }: MaskedMaps): tf.Tensor {
    const first = tf.mul(relu(this.norm1.forward(this.conv1.forward(maps))), mask);
    return tf.mul(relu(this.norm2.forward(this.conv2.forward(first))), mask);
  }
}

/** Zeros behind the last frame and band, so that both can be halved twice. */
function evenAxes(values: tf.Tensor): tf.Tensor {
  const [, frames, bands] = values.shape as [number, number, number];
  const missing = [frames, bands].map((length) => (4 - (length % 4)) % 4) as [number, number];
  if (missing.every((count) => count === 0)) return values;
  return tf.pad(values, [
    [0, 0],
    [0, missing[0]],
    [0, missing[1]],
  ]);
}
