/** What an image task needs to know of a backbone, whichever way it runs. */
import type * as tf from "@tensorflow/tfjs-core";
import type { ImageGeometry, Interpolation, ResizeTarget } from "../data/index.js";
import type { HostTensor } from "../host_tensor.js";
import type { Module } from "../nn/index.js";

/** How pictures become a backbone's input; names follow Hugging Face's `preprocessor_config.json`. */
export interface ImageInput extends ImageGeometry {
  readonly resize: ResizeTarget;
  readonly interpolation: Interpolation;
  /** Bytes 0 to 255 are multiplied by this before `mean` and `std` apply. */
  readonly rescaleFactor: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** The order in which the network takes red, green and blue, which `mean` and `std` come before. Default: `rgb`. */
  readonly channelOrder?: "rgb" | "bgr";
}

/** A backbone written with `nn`: it trains. */
export interface TrainableBackbone {
  kind: "module";
  name: string;
  /** Normalised pictures [batch, height, width, 3] to features [batch, numFeatures]. */
  module: Module<tf.Tensor, tf.Tensor>;
  numFeatures: number;
  input: ImageInput;
  /** Whether its weights were loaded rather than drawn. */
  pretrained: boolean;
}

/** A backbone that runs as its own ONNX Runtime session: it does not train, and its features can be kept. */
export interface FrozenBackbone {
  kind: "frozen";
  name: string;
  numFeatures: number;
  input: ImageInput;
  /** The ONNX file, for saving it inside a task. */
  model: Uint8Array;
  /** Pictures as uint8 [batch, height, width, 3] to features float32 [batch, numFeatures]. */
  extract(pixels: HostTensor): HostTensor;
}

/** A backbone of pictures: one that can be trained, or one that runs frozen. */
export type ImageBackbone = TrainableBackbone | FrozenBackbone;

/** The statistics that ImageNet models are trained with. */
export const IMAGENET_NORMALIZATION = {
  rescaleFactor: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const satisfies Partial<ImageInput>;
