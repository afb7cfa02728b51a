/** A speech recogniser's encoder: two strided convolutions over mel bands, then transformer layers, for a CTC loss. */
import {
  Conv2d,
  HostTensor,
  LayerNorm,
  Linear,
  Module,
  ModuleBuffer,
  tf,
  TransformerEncoder,
  TransformerEncoderLayer,
} from "kindling";

const BANDS = 80;
const FRAMES = 200;
const CHANNELS = 64;
const WIDTH = 256;

/** Log-mel features [batch, 200, 80] to logits [batch, 50, classes]. */
export class ConvCtcEncoder extends Module {
  conv1 = new Conv2d(1, CHANNELS, 3, { stride: 2, padding: 1 });
  conv2 = new Conv2d(CHANNELS, CHANNELS, 3, { stride: 2, padding: 1 });
  project = new Linear((CHANNELS * BANDS) / 4, WIDTH);
  positions = new ModuleBuffer(sinusoids(FRAMES / 4, WIDTH));
  encoder = new TransformerEncoder(
    () =>
      new TransformerEncoderLayer(WIDTH, 4, {
        dimFeedforward: 1024,
        dropout: 0,
        activation: "gelu",
        batchFirst: true,
        normFirst: true,
      }),
    4,
    new LayerNorm(WIDTH),
  );
  head: Linear;

  constructor(classes: number) {
    super();
    this.head = new Linear(WIDTH, classes);
  }

  forward(features: tf.Tensor): tf.Tensor {
    const pictures = tf.expandDims(features, 3);
    const maps = tf.relu(this.conv2.forward(tf.relu(this.conv1.forward(pictures))));
    const [batch, frames, bands, channels] = maps.shape as [number, number, number, number];
    const tokens = this.project.forward(tf.reshape(maps, [batch, frames, bands * channels]));
    return this.head.forward(this.encoder.forward(tf.add(tokens, this.positions)));
  }
}

/** Vaswani et al.'s position codes, sines and cosines in turn. */
function sinusoids(length: number, width: number): HostTensor {
  const data = Float32Array.from({ length: length * width }, (_, at) => {
    const [position, i] = [Math.floor(at / width), at % width];
    const angle = position * Math.exp((-Math.log(10000) * (i - (i % 2))) / width);
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
  return new HostTensor(data, [length, width]);
}
