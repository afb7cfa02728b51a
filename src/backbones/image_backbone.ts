/** What an image task needs to know of a backbone, whichever way it runs. */
import type * as tf from "@tensorflow/tfjs-core";
import type { HostTensor } from "../host_tensor.js";
import type { Module } from "../nn/index.js";

/** How pictures become a backbone's input; names follow Hugging Face's `preprocessor_config.json`. */
export interface ImageInput {
  /** The picture is resized so that its shorter edge has this length, or to exactly this size; pixels. */
  resize: { shortestEdge: number } | { height: number; width: number };
  /** The middle of the resized picture is cut to this size; pixels. */
  centerCrop?: { height: number; width: number };
  interpolation: "nearest" | "bilinear" | "bicubic" | "lanczos";
  /** Bytes 0 to 255 are multiplied by this before `mean` and `std` apply. */
  rescaleFactor: number;
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
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

export type ImageBackbone = TrainableBackbone | FrozenBackbone;

/** The statistics that ImageNet models are trained with. */
export const IMAGENET_NORMALIZATION = {
  rescaleFactor: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const satisfies Partial<ImageInput>;
