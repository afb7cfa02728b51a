/** A small convolutional network that trains from nothing in a minute or two on a laptop: the embedded default. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, MaxPool2d, Module, Relu, Sequential } from "../nn/index.js";

const CHANNELS = [32, 64, 128, 256] as const;

/**
 * Pictures [batch, height, width, 3] to features [batch, 256]. Four stages of a 3x3 convolution, batch norm, Relu and a
 * 2x2 maximum, then the mean over what is left; height and width must be at least 16.
 */
export class SmallCnn extends Module<tf.Tensor, tf.Tensor> {
  readonly numFeatures = CHANNELS[CHANNELS.length - 1]!;
  features: Sequential;

  constructor() {
    super();
    let inChannels = 3;
    const stages = CHANNELS.map((channels) => {
      const stage = new Sequential(
        new Conv2d(inChannels, channels, 3, { padding: 1, bias: false }),
        new BatchNorm2d(channels),
        new Relu(),
        new MaxPool2d(2),
      );
      inChannels = channels;
      return stage;
    });
    this.features = new Sequential(...stages);
  }

  override forward(pixels: tf.Tensor): tf.Tensor {
    return tf.mean(this.features.forward(pixels), [1, 2]);
  }
}
