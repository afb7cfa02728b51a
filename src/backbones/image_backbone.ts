/** What an image task needs to know of a backbone, whichever way it runs. */
import type * as tf from "@tensorflow/tfjs-core";
import type { ImageGeometry, Interpolation } from "../data/index.js";
import { ConfigurationError, type OnnxError } from "../errors.js";
import type { HostTensor } from "../host_tensor.js";
import type { Module } from "../nn/index.js";

/** How pictures become a backbone's input; names follow Hugging Face's `preprocessor_config.json`. */
export interface ImageInput extends ImageGeometry {
  readonly interpolation: Interpolation;
  /** Bytes 0 to 255 are multiplied by this before `mean` and `std` apply. */
  readonly rescaleFactor: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** The order in which the network takes red, green and blue, which `mean` and `std` come before. Default: `rgb`. */
  readonly channelOrder?: "rgb" | "bgr";
}

/** A backbone that trains: an architecture written with `nn`, or an imported ONNX model. */
export interface TrainableBackbone {
  kind: "module";
  name: string;
  /** Normalised pictures [batch, height, width, 3] to features [batch, numFeatures]. */
  module: Module<tf.Tensor, tf.Tensor>;
  numFeatures: number;
  input: ImageInput;
  /** Whether its weights were loaded rather than drawn. */
  pretrained: boolean;
  /** Of an imported model. */
  onnx?: OnnxFace;
}

/** The other face of a backbone that was imported from an ONNX file: what ONNX Runtime can run. */
export interface OnnxFace {
  /** The file that the backbone was made of, for saving it inside a task. */
  readonly model: Uint8Array;
  /** Which output of the file is the features, before they are pooled. */
  readonly output: string;
  /**
   * The file with the weights as they are now.
   *
   * @returns undefined where the file keeps weights in another form than float32
   */
  currentModel(): Uint8Array | undefined;
  /** A session with the weights as they are now; undefined where `currentModel` is. */
  freeze(): FrozenBackbone | undefined;
}

/** A backbone that runs as a session of its own in ONNX Runtime: it does not train, and its features can be kept. */
export interface FrozenBackbone {
  kind: "frozen";
  name: string;
  numFeatures: number;
  input: ImageInput;
  /** The ONNX file, for saving it inside a task. */
  model: Uint8Array;
  /** Pictures as uint8 [batch, height, width, 3] to features float32 [batch, numFeatures]. */
  extract(pixels: HostTensor): HostTensor;
  /** Frees the session now. */
  dispose(): void;
  /** Why the model was not imported, so that it cannot train. */
  untrainable?: OnnxError;
}

/** A backbone of pictures: one that can be trained, or one that runs frozen. */
export type ImageBackbone = TrainableBackbone | FrozenBackbone;

/** The statistics that ImageNet models are trained with. */
export const IMAGENET_NORMALIZATION = {
  rescaleFactor: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const satisfies Partial<ImageInput>;

/**
 * The height and width, in pixels, of what reaches the network.
 *
 * @throws ConfigurationError `ERR_INPUT_SIZE` where they depend on the picture
 */
export function inputSize(input: ImageInput): { height: number; width: number } {
  if (input.centerCrop !== undefined) return input.centerCrop;
  if (input.resize !== undefined && "height" in input.resize) return input.resize;
  throw new ConfigurationError(
    "ERR_INPUT_SIZE",
    "This backbone's preprocessor keeps the shape of each picture, but pictures of one batch need one size. Give `imageSize`.",
  );
}
