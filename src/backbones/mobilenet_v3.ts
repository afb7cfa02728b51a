/** MobileNetV3, small and large (Howard et al., 2019, https://arxiv.org/abs/1905.02244), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { HostTensor } from "../host_tensor.js";
import { Hardswish, hardsigmoid, init, Linear, Module, Relu, relu, Sequential } from "../nn/index.js";
import { ImageEncoder, keepOutputs, type FeatureInfo } from "./image_encoder.js";
import { initializeConvolutions, setValue } from "./initialize.js";
import { convNormActivation, SqueezeExcitation } from "./mobile_blocks.js";
import { fromTimmMobile, isTimmMobile, withOtherEps } from "./timm_mobile.js";
import { withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

/** Kernel size, expanded channels, channels, whether it squeezes, activation (ReLU or hard swish), stride. */
type Block = readonly [number, number, number, boolean, "RE" | "HS", 1 | 2];

/** Tables 1 and 2 of the paper. */
const BLOCKS = {
  large: [
    [3, 16, 16, false, "RE", 1],
    [3, 64, 24, false, "RE", 2],
    [3, 72, 24, false, "RE", 1],
    [5, 72, 40, true, "RE", 2],
    [5, 120, 40, true, "RE", 1],
    [5, 120, 40, true, "RE", 1],
    [3, 240, 80, false, "HS", 2],
    [3, 200, 80, false, "HS", 1],
    [3, 184, 80, false, "HS", 1],
    [3, 184, 80, false, "HS", 1],
    [3, 480, 112, true, "HS", 1],
    [3, 672, 112, true, "HS", 1],
    [5, 672, 160, true, "HS", 2],
    [5, 960, 160, true, "HS", 1],
    [5, 960, 160, true, "HS", 1],
  ],
  small: [
    [3, 16, 16, true, "RE", 2],
    [3, 72, 24, false, "RE", 2],
    [3, 88, 24, false, "RE", 1],
    [5, 96, 40, true, "HS", 2],
    [5, 240, 40, true, "HS", 1],
    [5, 240, 40, true, "HS", 1],
    [5, 120, 48, true, "HS", 1],
    [5, 144, 48, true, "HS", 1],
    [5, 288, 96, true, "HS", 2],
    [5, 576, 96, true, "HS", 1],
    [5, 576, 96, true, "HS", 1],
  ],
} as const satisfies Record<string, readonly Block[]>;

const NUM_FEATURES = { small: 1024, large: 1280 } as const;
const STEM_CHANNELS = 16;
const NORM = { eps: 0.001, momentum: 0.01 };
const TIMM_EPS = 1e-5;
const TIMM = {
  block: (_stage: number, _index: number, position: number) => `features.${position + 1}.block`,
  nestedProjection: true,
};
const hardswish = (): Module => new Hardswish();

/**
 * Pictures [batch, height, width, 3] to features: `small` [batch, 1024] with 1.5 million parameters, `large` [batch, 1280]
 * with 4.2 million. The layer behind the pooling, which torchvision counts to its classifier, is part of it.
 */
export class MobileNetV3 extends ImageEncoder implements PublishedWeights {
  readonly numFeatures: number;
  readonly featureInfo: readonly FeatureInfo[];
  readonly features: Sequential;
  readonly classifier: Sequential;
  readonly #maps: readonly number[];

  constructor(size: "small" | "large") {
    super();
    const blocks: readonly Block[] = BLOCKS[size];
    let channels = STEM_CHANNELS;
    const residuals = blocks.map((block) => {
      const residual = new InvertedResidual(channels, block);
      channels = block[2];
      return residual;
    });
    this.numFeatures = NUM_FEATURES[size];
    const last = 6 * channels;
    this.features = new Sequential(
      convNormActivation(3, STEM_CHANNELS, 3, { stride: 2, norm: NORM, activation: hardswish }),
      ...residuals,
      convNormActivation(channels, last, 1, { norm: NORM, activation: hardswish }),
    );
    const hidden = new Linear(last, this.numFeatures);
    setValue(hidden.weight, init.normal(hidden.weight.shape, { std: 0.01 }));
    setValue(hidden.bias!, init.zeros(hidden.bias!.shape));
    this.classifier = new Sequential(hidden, new Hardswish());
    // The last block of each scale is the one before the next that strides; the stem is number 0.
    const ends = blocks.flatMap((_, i) => (blocks[i + 1]?.[5] === 1 ? [] : [i])).slice(-4);
    this.#maps = ends.map((i) => i + 1);
    this.featureInfo = ends.map((end, i) => ({ stride: 4 * 2 ** i, channels: blocks[end]![2] }));
    initializeConvolutions(this);
  }

  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    return keepOutputs(this.features, pixels, this.#maps);
  }

  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.features.forward(pixels);
  }

  override forward(pixels: tf.Tensor): tf.Tensor {
    return this.classifier.forward(super.forward(pixels));
  }

  fromPublished(weights: Weights): Weights {
    if (!isTimmMobile(weights)) return withoutWeights(weights, /^classifier\.3\./);
    const head = `features.${this.features.length - 1}`;
    const named = fromTimmMobile(withoutWeights(weights, /^(classifier|conv_head)\./), { ...TIMM, head });
    const { "conv_head.weight": weight, "conv_head.bias": bias } = weights;
    return {
      ...withOtherEps(named, TIMM_EPS, NORM.eps),
      ...(weight && { "classifier.0.weight": new HostTensor(weight.data, weight.shape.slice(0, 2)) }),
      ...(bias && { "classifier.0.bias": bias }),
    };
  }
}

class InvertedResidual extends Module {
  readonly block: Sequential;
  readonly #residual: boolean;

  constructor(
    inChannels: number,
    [kernelSize, expanded, outChannels, squeezes, nonlinearity, stride]: Block,
  ) {
    super();
    const activation = nonlinearity === "HS" ? hardswish : () => new Relu();
    const options = { norm: NORM, activation };
    this.block = new Sequential(
      ...(expanded === inChannels ? [] : [convNormActivation(inChannels, expanded, 1, options)]),
      convNormActivation(expanded, expanded, kernelSize, { ...options, stride, groups: expanded }),
      ...(squeezes ? [new SqueezeExcitation(expanded, squeezeChannels(expanded), relu, hardsigmoid)] : []),
      convNormActivation(expanded, outChannels, 1, { norm: NORM }),
    );
    this.#residual = stride === 1 && inChannels === outChannels;
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const output = this.block.forward(input);
    return this.#residual ? tf.add(input, output) : output;
  }
}

/** A quarter of the channels in steps of 8, but never less than nine tenths of it: the authors' rounding. */
function squeezeChannels(expanded: number): number {
  const quarter = Math.floor(expanded / 4);
  const rounded = Math.max(8, Math.floor((quarter + 4) / 8) * 8);
  return rounded < 0.9 * quarter ? rounded + 8 : rounded;
}
