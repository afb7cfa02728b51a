/** The image backbones that are written with `nn`, by their name in the registry. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Module } from "../../nn/index.js";
import { MobileNetV2 } from "../mobilenet_v2.js";
import { ResNet18 } from "../resnet.js";
import { SmallCnn } from "../small_cnn.js";
import type { ImageBackboneName } from "./image.js";

/** Normalised pictures [batch, height, width, 3] to features [batch, numFeatures]. */
export type ImageArchitecture = Module<tf.Tensor, tf.Tensor> & { readonly numFeatures: number };

/** How an architecture is made, and how its weights are called elsewhere. */
export interface ImageArchitectureEntry {
  /** With random weights. */
  create: () => ImageArchitecture;
  /**
   * The name in Kindling of a tensor of the repository's `model.safetensors`; undefined for one that is left aside, such as
   * a classifier. Default: the names are the same, and what has no place is left aside.
   */
  rename?: (name: string) => string | undefined;
}

export const imageArchitectures: { readonly [Name in ImageBackboneName]?: ImageArchitectureEntry } = {
  small_cnn: { create: () => new SmallCnn() },
  mobilenet_v2: { create: () => new MobileNetV2() },
  resnet18: { create: () => new ResNet18() },
};
