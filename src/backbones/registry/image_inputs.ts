/** The ways of preparing pictures that the table of image backbones repeats. */
import { IMAGENET_NORMALIZATION, type ImageInput } from "../image_backbone.js";

type Normalization = Pick<ImageInput, "rescaleFactor" | "mean" | "std">;

/** To the range -1 to 1, as Google's vision transformers are trained. */
export const HALF_NORMALIZATION: Normalization = {
  rescaleFactor: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

/** Bytes to the range 0 to 1. */
export const NO_NORMALIZATION: Normalization = { rescaleFactor: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] };

/** The statistics of CLIP's training set. */
export const CLIP_NORMALIZATION: Normalization = {
  rescaleFactor: 1 / 255,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

/** The shorter edge to a length, of which the middle is taken. */
export function cropped(
  shortestEdge: number,
  size: number,
  interpolation: ImageInput["interpolation"] = "bicubic",
  normalization: Normalization = IMAGENET_NORMALIZATION,
): ImageInput {
  return {
    resize: { shortestEdge },
    centerCrop: { height: size, width: size },
    interpolation,
    ...normalization,
  };
}

/** To a square, whatever shape the picture had. */
export function squared(
  size: number,
  interpolation: ImageInput["interpolation"] = "bilinear",
  normalization: Normalization = IMAGENET_NORMALIZATION,
): ImageInput {
  return { resize: { height: size, width: size }, interpolation, ...normalization };
}
