/** EfficientNet-B0 (Tan and Le, 2019, https://arxiv.org/abs/1905.11946), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { Module, Sequential, sigmoid, Silu, silu, StochasticDepth } from "../nn/index.js";
import { ImageEncoder, keepOutputs, type FeatureInfo } from "./image_encoder.js";
import { initializeConvolutions } from "./initialize.js";
import { convNormActivation, SqueezeExcitation } from "./mobile_blocks.js";
import { fromTimmMobile, isTimmMobile, type MobileNaming } from "./timm_mobile.js";
import { withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

/** Expansion, kernel size, first stride, channels and repeats of each stage: table 1 of the paper. */
const STAGES: readonly (readonly [number, number, number, number, number])[] = [
  [1, 3, 1, 16, 1],
  [6, 3, 2, 24, 2],
  [6, 5, 2, 40, 2],
  [6, 3, 2, 80, 3],
  [6, 5, 1, 112, 3],
  [6, 5, 2, 192, 4],
  [6, 3, 1, 320, 1],
];

/** The last stage of each scale; the stem is number 0. */
const MAPS = [2, 3, 5, 7] as const;
const STEM_CHANNELS = 32;

const TIMM: MobileNaming = {
  block: (stage, index) => `features.${stage + 1}.${index}.block`,
  nestedProjection: true,
  head: "features.8",
};

const activation = (): Module => new Silu();

/** Options of `EfficientNetB0`. */
export interface EfficientNetOptions {
  /** Probability that the last block's branch is left out for a picture, in training; it rises to that linearly. Default: 0.2. */
  stochasticDepthProb?: number;
}

/** Pictures [batch, height, width, 3] to features [batch, 1280]. 4.0 million parameters. */
export class EfficientNetB0 extends ImageEncoder implements PublishedWeights {
  readonly numFeatures = 1280;
  readonly featureInfo: readonly FeatureInfo[] = [
    { stride: 4, channels: 24 },
    { stride: 8, channels: 40 },
    { stride: 16, channels: 112 },
    { stride: 32, channels: 320 },
  ];
  readonly features: Sequential;

  constructor({ stochasticDepthProb = 0.2 }: EfficientNetOptions = {}) {
    super();
    const blockCount = STAGES.reduce((sum, [, , , , repeats]) => sum + repeats, 0);
    let [channels, block] = [STEM_CHANNELS, 0];
    const stages = STAGES.map(([expansion, kernelSize, firstStride, outChannels, repeats]) => {
      const blocks = Array.from({ length: repeats }, (_, i) => {
        const inChannels = i === 0 ? channels : outChannels;
        return new MBConv({
          inChannels,
          outChannels,
          expansion,
          kernelSize,
          stride: i === 0 ? firstStride : 1,
          stochasticDepthProb: (stochasticDepthProb * block++) / blockCount,
        });
      });
      channels = outChannels;
      return new Sequential(...blocks);
    });
    this.features = new Sequential(
      convNormActivation(3, STEM_CHANNELS, 3, { stride: 2, activation }),
      ...stages,
      convNormActivation(channels, this.numFeatures, 1, { activation }),
    );
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

interface MBConvOptions {
  inChannels: number;
  outChannels: number;
  expansion: number;
  kernelSize: number;
  stride: number;
  stochasticDepthProb: number;
}

class MBConv extends Module {
  readonly block: Sequential;
  readonly stochasticDepth: StochasticDepth;
  readonly #residual: boolean;

  constructor(options: MBConvOptions) {
    super();
    const { inChannels, outChannels, expansion, kernelSize, stride, stochasticDepthProb } = options;
    const expanded = inChannels * expansion;
    this.block = new Sequential(
      ...(expansion === 1 ? [] : [convNormActivation(inChannels, expanded, 1, { activation })]),
      convNormActivation(expanded, expanded, kernelSize, { stride, groups: expanded, activation }),
      new SqueezeExcitation(expanded, Math.floor(inChannels / 4), silu, sigmoid),
      convNormActivation(expanded, outChannels, 1),
    );
    this.stochasticDepth = new StochasticDepth(stochasticDepthProb);
    this.#residual = stride === 1 && inChannels === outChannels;
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const output = this.block.forward(input);
    return this.#residual ? tf.add(input, this.stochasticDepth.forward(output)) : output;
  }
}
