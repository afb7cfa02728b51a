/** Convolutions over time and frequency, each of which halves both. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../../errors.js";
import { BatchNorm2d, Conv2d, Module, relu } from "../../../nn/index.js";
import { halvedLengths, sequenceMask, type PaddedSequences } from "./speech_encoder.js";

/** Frames of features for one that an encoder works on: 4 for letters, of which there may be 15 a second, 8 for words. */
export type Subsampling = 4 | 8;

/** [batch, frames, bands] to [batch, ⌈frames / subsampling⌉, channels · ⌈bands / subsampling⌉]. */
export class ConvSubsampling extends Module<PaddedSequences, PaddedSequences> {
  readonly outFeatures: number;
  readonly convolutions: Conv2d[];
  readonly norms: BatchNorm2d[];

  /** @throws ConfigurationError `ERR_SUBSAMPLING` */
  constructor(bands: number, channels: number, subsampling: Subsampling) {
    super();
    if (![4, 8].includes(subsampling)) {
      throw new ConfigurationError("ERR_SUBSAMPLING", `\`subsampling\` is 4 or 8, not ${subsampling}.`);
    }
    const halvings = Math.log2(subsampling);
    this.outFeatures = channels * Math.ceil(bands / subsampling);
    this.convolutions = Array.from({ length: halvings }, (_, i) => {
      return new Conv2d(i === 0 ? 1 : channels, channels, 3, { stride: 2, padding: 1, bias: false });
    });
    this.norms = this.convolutions.map(() => new BatchNorm2d(channels));
  }

  forward({ values, lengths }: PaddedSequences): PaddedSequences {
    let maps: tf.Tensor = tf.expandDims(values, 3);
    let counts = lengths;
    this.convolutions.forEach((convolution, i) => {
      counts = halvedLengths(counts);
      maps = hide(relu(this.norms[i]!.forward(convolution.forward(maps))), counts);
    });
    const [batch, frames, bands, channels] = maps.shape as [number, number, number, number];
    return { values: tf.reshape(maps, [batch, frames, bands * channels]), lengths: counts };
  }
}

/** What lies behind a sequence's end must stay 0, or the next layer would hear how long the batch is. */
function hide(maps: tf.Tensor, lengths: tf.Tensor): tf.Tensor {
  return tf.mul(maps, tf.expandDims(sequenceMask(lengths, maps.shape[1]!), 3));
}
