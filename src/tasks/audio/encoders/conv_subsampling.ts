/** Two convolutions over time and frequency, each of which halves both. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, Module, relu } from "../../../nn/index.js";
import { halvedLengths, sequenceMask, type PaddedSequences } from "./speech_encoder.js";

/** [batch, frames, bands] to [batch, ⌈frames / 4⌉, channels · ⌈bands / 4⌉]. */
export class ConvSubsampling extends Module<PaddedSequences, PaddedSequences> {
  readonly outFeatures: number;
  readonly conv1: Conv2d;
  readonly norm1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly norm2: BatchNorm2d;

  constructor(bands: number, channels: number) {
    super();
    this.outFeatures = channels * Math.ceil(Math.ceil(bands / 2) / 2);
    this.conv1 = new Conv2d(1, channels, 3, { stride: 2, padding: 1, bias: false });
    this.norm1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, { stride: 2, padding: 1, bias: false });
    this.norm2 = new BatchNorm2d(channels);
  }

  forward({ values, lengths }: PaddedSequences): PaddedSequences {
    const [halves, quarters] = [halvedLengths(lengths), halvedLengths(halvedLengths(lengths))];
    let maps: tf.Tensor = tf.expandDims(values, 3);
    maps = hide(relu(this.norm1.forward(this.conv1.forward(maps))), halves);
    maps = hide(relu(this.norm2.forward(this.conv2.forward(maps))), quarters);
    const [batch, frames, bands, channels] = maps.shape as [number, number, number, number];
    return { values: tf.reshape(maps, [batch, frames, bands * channels]), lengths: quarters };
  }
}

/** What lies behind a sequence's end must stay 0, or the next layer would hear how long the batch is. */
function hide(maps: tf.Tensor, lengths: tf.Tensor): tf.Tensor {
  return tf.mul(maps, tf.expandDims(sequenceMask(lengths, maps.shape[1]!), 3));
}
