/** ConvNeXt-tiny (Liu et al., 2022, https://arxiv.org/abs/2201.03545), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import {
  Conv2d,
  Gelu,
  Identity,
  init,
  LayerNorm,
  Linear,
  Module,
  Parameter,
  Sequential,
  StochasticDepth,
} from "../nn/index.js";
import { ImageEncoder, keepOutputs, type FeatureInfo } from "./image_encoder.js";
import { initializeTruncatedNormal } from "./initialize.js";
import {
  renameWeights,
  reshapeWeights,
  withoutWeights,
  type PublishedWeights,
  type RenamingRule,
  type Weights,
} from "./weights.js";

/** Options of `ConvNeXt`; the defaults are those of ConvNeXt-tiny. */
export interface ConvNeXtOptions {
  /** Channels of each of the four stages. Default: 96, 192, 384, 768. */
  channels?: readonly [number, number, number, number];
  /** Blocks of each of the four stages. Default: 3, 3, 9, 3. */
  layers?: readonly [number, number, number, number];
  /** Probability that the last block's branch is left out for a picture, in training; it rises to that linearly. Default: 0.1. */
  stochasticDepthProb?: number;
  /** First value of the factors of the branches. Default: 1e-6. */
  layerScale?: number;
}

const EPS = 1e-6;
/** Where the stages lie among the features: the stem is number 0, and a downsampling lies between two stages. */
const STAGES = [1, 3, 5, 7] as const;

interface OtherNames {
  mark: RegExp;
  head: RegExp;
  names: readonly RenamingRule[];
}

/** What tells other publishers' files, what is their head, and their names as torchvision's, but for the numbers of stages. */
const TIMM = {
  mark: /^stem\.0\./,
  head: /^head\.fc\./,
  names: [
    [/^stem\./, "features.0."],
    [/^stages\.(\d)\.downsample\./, "downsample$1."],
    [/^stages\.(\d)\.blocks\.(\d+)\./, "stage$1.$2."],
    [/\.conv_dw\./, ".block.0."],
    [/\.norm\./, ".block.2."],
    [/\.mlp\.fc1\./, ".block.3."],
    [/\.mlp\.fc2\./, ".block.5."],
    [/\.gamma$/, ".layer_scale"],
    [/^head\.block\.2\./, "classifier.0."],
  ],
} as const satisfies OtherNames;

const HUGGING_FACE = {
  mark: /^(convnext\.)?embeddings\.patch_embeddings\./,
  head: /^classifier\./,
  names: [
    [/^convnext\./, ""],
    [/^embeddings\.patch_embeddings\./, "features.0.0."],
    [/^embeddings\.layernorm\./, "features.0.1."],
    [/^encoder\.stages\.(\d)\.downsampling_layer\./, "downsample$1."],
    [/^encoder\.stages\.(\d)\.layers\.(\d+)\./, "stage$1.$2."],
    [/\.dwconv\./, ".block.0."],
    [/\.layernorm\./, ".block.2."],
    [/\.pwconv1\./, ".block.3."],
    [/\.pwconv2\./, ".block.5."],
    [/\.layer_scale_parameter$/, ".layer_scale"],
    [/^layernorm\./, "classifier.0."],
  ],
} as const satisfies OtherNames;

/** Pictures [batch, height, width, 3] to features [batch, 768], normalised. 27.8 million parameters. */
export class ConvNeXt extends ImageEncoder implements PublishedWeights {
  readonly numFeatures: number;
  readonly featureInfo: readonly FeatureInfo[];
  readonly features: Sequential;
  /** The norm behind the pooling, which torchvision counts to its classifier. */
  readonly classifier: Sequential;

  constructor({
    channels = [96, 192, 384, 768],
    layers = [3, 3, 9, 3],
    stochasticDepthProb = 0.1,
    layerScale = 1e-6,
  }: ConvNeXtOptions = {}) {
    super();
    const last = layers.reduce((sum, length) => sum + length, 0) - 1;
    let block = 0;
    const parts: Module[] = [
      new Sequential(new Conv2d(3, channels[0], 4, { stride: 4 }), new LayerNorm(channels[0], { eps: EPS })),
    ];
    channels.forEach((width, i) => {
      if (i > 0) {
        const before = channels[i - 1]!;
        parts.push(
          new Sequential(new LayerNorm(before, { eps: EPS }), new Conv2d(before, width, 2, { stride: 2 })),
        );
      }
      const blocks = Array.from({ length: layers[i]! }, () => {
        const probability = (stochasticDepthProb * block++) / Math.max(1, last);
        return new CNBlock(width, layerScale, probability);
      });
      parts.push(new Sequential(...blocks));
    });
    this.features = new Sequential(...parts);
    this.numFeatures = channels[3];
    this.classifier = new Sequential(new LayerNorm(this.numFeatures, { eps: EPS }));
    this.featureInfo = channels.map((width, i) => ({ stride: 4 * 2 ** i, channels: width }));
    initializeTruncatedNormal(this);
  }

  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    return keepOutputs(this.features, pixels, STAGES);
  }

  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.features.forward(pixels);
  }

  override forward(pixels: tf.Tensor): tf.Tensor {
    return this.classifier.forward(super.forward(pixels));
  }

  fromPublished(weights: Weights): Weights {
    const rules = [TIMM, HUGGING_FACE].find(({ mark }) =>
      Object.keys(weights).some((name) => mark.test(name)),
    );
    if (rules === undefined) return withoutWeights(weights, /^classifier\.2\./);
    const named = renameWeights(withoutWeights(weights, rules.head), rules.names);
    // Where torchvision counts stages and downsamplings as one list, the others count stages.
    const placed = Object.entries(named).map(([name, tensor]) => [
      name
        .replace(/^stage(\d)\./, (_, stage) => `features.${2 * Number(stage) + 1}.`)
        .replace(/^downsample(\d)\./, (_, stage) => `features.${2 * Number(stage)}.`),
      tensor,
    ]);
    return reshapeWeights(Object.fromEntries(placed) as Weights, /\.layer_scale$/, ([channels]) => [
      channels!,
      1,
      1,
    ]);
  }
}

class CNBlock extends Module {
  readonly block: Sequential;
  /** [channels, 1, 1] */
  readonly layerScale: Parameter;
  readonly stochasticDepth: StochasticDepth;

  constructor(channels: number, layerScale: number, stochasticDepthProb: number) {
    super();
    // torchvision has permutations in the places 1 and 6, which channels-last pictures do without.
    this.block = new Sequential(
      new Conv2d(channels, channels, 7, { padding: 3, groups: channels }),
      new Identity(),
      new LayerNorm(channels, { eps: EPS }),
      new Linear(channels, 4 * channels),
      new Gelu(),
      new Linear(4 * channels, channels),
    );
    this.layerScale = new Parameter(init.constant([channels, 1, 1], layerScale));
    this.stochasticDepth = new StochasticDepth(stochasticDepthProb);
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const scale = tf.reshape(this.layerScale, [-1]);
    return tf.add(input, this.stochasticDepth.forward(tf.mul(this.block.forward(input), scale)));
  }
}
