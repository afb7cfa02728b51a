/** The image backbones that are written with `nn`, by their name in the registry. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Module } from "../../nn/index.js";
import { ConvNeXt } from "../convnext.js";
import { EfficientNetB0 } from "../efficientnet.js";
import { MobileNetV2 } from "../mobilenet_v2.js";
import { MobileNetV3 } from "../mobilenet_v3.js";
import { resnet18, resnet34, resnet50 } from "../resnet.js";
import { SmallCnn } from "../small_cnn.js";
import { VisionTransformer, vitSizes } from "../vit.js";
import type { PublishedWeights } from "../weights.js";
import type { ImageBackboneName } from "./image.js";

/** Normalised pictures [batch, height, width, 3] to features [batch, numFeatures]. */
export type ImageArchitecture = Module<tf.Tensor, tf.Tensor> &
  Partial<PublishedWeights> & { readonly numFeatures: number };

/** How an architecture is made. The names of its weights elsewhere are its own business: `PublishedWeights`. */
export interface ImageArchitectureEntry {
  /** With random weights. */
  create: () => ImageArchitecture;
}

export const imageArchitectures: { readonly [Name in ImageBackboneName]?: ImageArchitectureEntry } = {
  small_cnn: { create: () => new SmallCnn() },
  mobilenet_v2: { create: () => new MobileNetV2() },
  mobilenet_v3_small: { create: () => new MobileNetV3("small") },
  mobilenet_v3_large: { create: () => new MobileNetV3("large") },
  efficientnet_b0: { create: () => new EfficientNetB0() },
  resnet18: { create: resnet18 },
  resnet34: { create: resnet34 },
  resnet50: { create: resnet50 },
  convnext_tiny: { create: () => new ConvNeXt() },
  vit_ti_16: { create: () => new VisionTransformer(vitSizes.vit_ti_16) },
  vit_s_16: { create: () => new VisionTransformer(vitSizes.vit_s_16) },
  vit_b_16: { create: () => new VisionTransformer(vitSizes.vit_b_16) },
};
