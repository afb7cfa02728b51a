/** MobileNetV2 (Sandler et al., 2018, https://arxiv.org/abs/1801.04381), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, Module, Relu6, Sequential } from "../nn/index.js";
import { ImageEncoder, keepOutputs, type FeatureInfo } from "./image_encoder.js";
import { initializeConvolutions } from "./initialize.js";
import { convNormActivation } from "./mobile_blocks.js";
import { fromTimmMobile, isTimmMobile, type MobileNaming } from "./timm_mobile.js";
import { withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

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

/** The last block of each scale. */
const MAPS = [3, 6, 13, 17] as const;

const TIMM: MobileNaming = {
  block: (_stage, _index, position) => `features.${position + 1}.conv`,
  nestedProjection: false,
  head: "features.18",
};

const activation = (): Module => new Relu6();

/** Pictures [batch, height, width, 3] to features [batch, 1280]. 2.2 million parameters. */
export class MobileNetV2 extends ImageEncoder implements PublishedWeights {
  readonly numFeatures = 1280;
  readonly featureInfo: readonly FeatureInfo[] = [
    { stride: 4, channels: 24 },
    { stride: 8, channels: 32 },
    { stride: 16, channels: 96 },
    { stride: 32, channels: 320 },
  ];
  readonly features: Sequential;

  constructor() {
    super();
    const blocks: Module[] = [convNormActivation(3, 32, 3, { stride: 2, activation })];
    let channels = 32;
    for (const [expansion, outChannels, repeats, firstStride] of STAGES) {
      for (let i = 0; i < repeats; i++) {
        blocks.push(new InvertedResidual(channels, outChannels, i === 0 ? firstStride : 1, expansion));
        channels = outChannels;
      }
    }
    blocks.push(convNormActivation(channels, this.numFeatures, 1, { activation }));
    this.features = new Sequential(...blocks);
    initializeConvolutions(this);
  }

  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    return keepOutputs(this.features, pixels, MAPS);
  }

  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.features.forward(pixels);
  }

  fromPublished(weights: Weights): Weights {
    const named = isTimmMobile(weights) ? fromTimmMobile(weights, TIMM) : weights;
    return withoutWeights(named, /^classifier\./);
  }
}

class InvertedResidual extends Module {
  readonly conv: Sequential;
  readonly #residual: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
    super();
    const hidden = inChannels * expansion;
    this.conv = new Sequential(
      ...(expansion === 1 ? [] : [convNormActivation(inChannels, hidden, 1, { activation })]),
      convNormActivation(hidden, hidden, 3, { stride, groups: hidden, activation }),
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
