/** The pieces that MobileNetV2, MobileNetV3 and EfficientNet are built of, with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, Module, Sequential, type BatchNormOptions } from "../nn/index.js";

/** Options of `convNormActivation`. */
export interface ConvNormActivationOptions {
  /** Default: 1. */
  stride?: number;
  /** Default: 1. */
  groups?: number;
  /** Makes the activation. Default: none. */
  activation?: (() => Module) | undefined;
  /** Of the batch norm. */
  norm?: BatchNormOptions;
}

/** A convolution without bias that keeps the size at stride 1, a batch norm, and an activation. */
export function convNormActivation(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  { stride = 1, groups = 1, activation, norm = {} }: ConvNormActivationOptions = {},
): Sequential {
  const padding = (kernelSize - 1) / 2;
  return new Sequential(
    new Conv2d(inChannels, outChannels, kernelSize, { stride, groups, padding, bias: false }),
    new BatchNorm2d(outChannels, norm),
    ...(activation === undefined ? [] : [activation()]),
  );
}

/** Weighs each channel by what all channels are on average (Hu et al., 2017, https://arxiv.org/abs/1709.01507). */
export class SqueezeExcitation extends Module {
  readonly fc1: Conv2d;
  readonly fc2: Conv2d;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;
  readonly #scaleActivation: (x: tf.Tensor) => tf.Tensor;

  constructor(
    inputChannels: number,
    squeezeChannels: number,
    activation: (x: tf.Tensor) => tf.Tensor,
    scaleActivation: (x: tf.Tensor) => tf.Tensor,
  ) {
    super();
    this.fc1 = new Conv2d(inputChannels, squeezeChannels, 1);
    this.fc2 = new Conv2d(squeezeChannels, inputChannels, 1);
    this.#activation = activation;
    this.#scaleActivation = scaleActivation;
  }

  forward(input: tf.Tensor): tf.Tensor {
    const squeezed = this.#activation(this.fc1.forward(tf.mean(input, [1, 2], true)));
    return tf.mul(input, this.#scaleActivation(this.fc2.forward(squeezed)));
  }
}
