/** MobileNetV2 (Sandler et al., 2018, https://arxiv.org/abs/1801.04381), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, Module, Relu6, Sequential } from "../nn/index.js";

/** Expansion, channels, repeats and first stride of each stage: table 2 of the paper. */
const STAGES: readonly (readonly [number, number, number, number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

/** Pictures [batch, height, width, 3] to features [batch, 1280]; height and width shrink by 32 on the way. */
export class MobileNetV2 extends Module<tf.Tensor, tf.Tensor> {
  readonly numFeatures = 1280;
  features: Sequential;

  constructor() {
    super();
    const blocks: Module[] = [convNormActivation(3, 32, 3, { stride: 2 })];
    let channels = 32;
    for (const [expansion, outChannels, repeats, firstStride] of STAGES) {
      for (let i = 0; i < repeats; i++) {
        blocks.push(new InvertedResidual(channels, outChannels, i === 0 ? firstStride : 1, expansion));
        channels = outChannels;
      }
    }
    blocks.push(convNormActivation(channels, this.numFeatures, 1));
    this.features = new Sequential(...blocks);
  }

  override forward(pixels: tf.Tensor): tf.Tensor {
    return tf.mean(this.features.forward(pixels), [1, 2]);
  }
}

class InvertedResidual extends Module<tf.Tensor, tf.Tensor> {
  conv: Sequential;
  readonly #residual: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
    super();
    const hidden = inChannels * expansion;
    const expand = expansion === 1 ? [] : [convNormActivation(inChannels, hidden, 1)];
    this.conv = new Sequential(
      ...expand,
      convNormActivation(hidden, hidden, 3, { stride, groups: hidden }),
      new Conv2d(hidden, outChannels, 1, { bias: false }),
      new BatchNorm2d(outChannels),
    );
    this.#residual = stride === 1 && inChannels === outChannels;
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const output = this.conv.forward(input);
    return this.#residual ? tf.add(input, output) : output;
  }
}

function convNormActivation(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: { stride?: number; groups?: number } = {},
): Sequential {
  return new Sequential(
    new Conv2d(inChannels, outChannels, kernelSize, {
      ...options,
      padding: (kernelSize - 1) / 2,
      bias: false,
    }),
    new BatchNorm2d(outChannels),
    new Relu6(),
  );
}
