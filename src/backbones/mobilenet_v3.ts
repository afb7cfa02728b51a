/** MobileNetV3, small and large (Howard et al., 2019, https://arxiv.org/abs/1905.02244), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { Hardswish, hardsigmoid, Module, Relu, relu, Sequential } from "../nn/index.js";
import { ImageEncoder, keepOutputs, type FeatureInfo } from "./image_encoder.js";
import { initializeConvolutions } from "./initialize.js";
import { convNormActivation, SqueezeExcitation } from "./mobile_blocks.js";
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

const STEM_CHANNELS = 16;
const NORM = { eps: 0.001, momentum: 0.01 };
const hardswish = (): Module => new Hardswish();

/**
 * Pictures [batch, height, width, 3] to features: `small` [batch, 576] with 0.9 million parameters, `large` [batch, 960]
 * with 3.0 million. The hidden layer of torchvision's classifier is not part of it.
 */
export class MobileNetV3 extends ImageEncoder implements PublishedWeights {
  readonly numFeatures: number;
  readonly featureInfo: readonly FeatureInfo[];
  readonly features: Sequential;
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
    this.numFeatures = 6 * channels;
    this.features = new Sequential(
      convNormActivation(3, STEM_CHANNELS, 3, { stride: 2, norm: NORM, activation: hardswish }),
      ...residuals,
      convNormActivation(channels, this.numFeatures, 1, { norm: NORM, activation: hardswish }),
    );
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

  fromPublished(weights: Weights): Weights {
    return withoutWeights(weights, /^classifier\./);
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
