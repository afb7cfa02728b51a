/** ResNet (He et al., 2015, https://arxiv.org/abs/1512.03385), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, MaxPool2d, Module, Relu, Sequential } from "../nn/index.js";
import { ImageEncoder, type FeatureInfo } from "./image_encoder.js";
import { initializeConvolutions } from "./initialize.js";
import { withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

/** Options of `ResNet`. */
export interface ResNetOptions {
  /** `basic`: two 3x3 convolutions; `bottleneck`: 1x1, 3x3, and 1x1 to four times as many channels. */
  block: "basic" | "bottleneck";
  /** Blocks of each of the four stages. */
  layers: readonly [number, number, number, number];
}

/** Channels of the stages, before a bottleneck's last convolution multiplies them. */
const CHANNELS = [64, 128, 256, 512] as const;

/** 18 layers, 11.2 million parameters, 512 features. */
export function resnet18(): ResNet {
  return new ResNet({ block: "basic", layers: [2, 2, 2, 2] });
}

/** 34 layers, 21.3 million parameters, 512 features. */
export function resnet34(): ResNet {
  return new ResNet({ block: "basic", layers: [3, 4, 6, 3] });
}

/** 50 layers, 23.5 million parameters, 2048 features. */
export function resnet50(): ResNet {
  return new ResNet({ block: "bottleneck", layers: [3, 4, 6, 3] });
}

/**
 * Pictures [batch, height, width, 3] to features [batch, 512], of bottlenecks [batch, 2048]. A bottleneck strides in its
 * 3x3 convolution, as torchvision's does.
 */
export class ResNet extends ImageEncoder implements PublishedWeights {
  readonly numFeatures: number;
  readonly featureInfo: readonly FeatureInfo[];
  readonly conv1 = new Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false });
  readonly bn1 = new BatchNorm2d(64);
  readonly maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly #stem = new Sequential(this.conv1, this.bn1, new Relu(), this.maxpool);

  constructor({ block, layers }: ResNetOptions) {
    super();
    const Block = block === "basic" ? BasicBlock : Bottleneck;
    const widths = CHANNELS.map((channels) => channels * Block.expansion);
    const stages = CHANNELS.map((channels, i) => {
      const blocks = Array.from({ length: layers[i]! }, (_, j) => {
        const inChannels = j > 0 ? widths[i]! : i > 0 ? widths[i - 1]! : 64;
        return new Block(inChannels, channels, i > 0 && j === 0 ? 2 : 1);
      });
      return new Sequential(...blocks);
    }) as [Sequential, Sequential, Sequential, Sequential];
    [this.layer1, this.layer2, this.layer3, this.layer4] = stages;
    this.numFeatures = widths[3]!;
    this.featureInfo = widths.map((channels, i) => ({ stride: 4 * 2 ** i, channels }));
    initializeConvolutions(this);
  }

  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    let map = this.#stem.forward(pixels);
    return [this.layer1, this.layer2, this.layer3, this.layer4].map((layer) => (map = layer.forward(map)));
  }

  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.featureMaps(pixels).at(-1)!;
  }

  fromPublished(weights: Weights): Weights {
    return withoutWeights(weights, /^fc\./);
  }
}

class BasicBlock extends Module {
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Sequential | undefined;
  readonly #branch: Sequential;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    this.conv1 = new Conv2d(inChannels, channels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(channels);
    this.downsample = downsampling(inChannels, channels, stride);
    this.#branch = new Sequential(this.conv1, this.bn1, new Relu(), this.conv2, this.bn2);
  }

  override forward(input: tf.Tensor): tf.Tensor {
    return addShortcut(this.#branch.forward(input), input, this.downsample);
  }
}

class Bottleneck extends Module {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly downsample: Sequential | undefined;
  readonly #branch: Sequential;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    const outChannels = channels * Bottleneck.expansion;
    this.conv1 = new Conv2d(inChannels, channels, 1, { bias: false });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, { stride, padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(channels);
    this.conv3 = new Conv2d(channels, outChannels, 1, { bias: false });
    this.bn3 = new BatchNorm2d(outChannels);
    this.downsample = downsampling(inChannels, outChannels, stride);
    this.#branch = new Sequential(
      this.conv1,
      this.bn1,
      new Relu(),
      this.conv2,
      this.bn2,
      new Relu(),
      this.conv3,
      this.bn3,
    );
  }

  override forward(input: tf.Tensor): tf.Tensor {
    return addShortcut(this.#branch.forward(input), input, this.downsample);
  }
}

/** What brings the input of a block to the shape of its output; undefined where it has it. */
function downsampling(inChannels: number, outChannels: number, stride: number): Sequential | undefined {
  if (stride === 1 && inChannels === outChannels) return undefined;
  return new Sequential(
    new Conv2d(inChannels, outChannels, 1, { stride, bias: false }),
    new BatchNorm2d(outChannels),
  );
}

function addShortcut(branch: tf.Tensor, input: tf.Tensor, downsample: Sequential | undefined): tf.Tensor {
  return tf.relu(tf.add(branch, downsample === undefined ? input : downsample.forward(input)));
}
