/** How pictures are prepared for a model: to one size, and at random for training. */
import { ConfigurationError } from "../../errors.js";
import { checkGeometry, type ImageGeometry } from "./geometry.js";
import type { Size } from "./image.js";
import { imageTransformFromJSON } from "./transforms/from_json.js";
import type { ImageTransform, TransformDescription } from "./transforms/transform.js";

/** Turns to JSON as it is; `preprocessingFromJSON` restores it. */
export interface ImagePreprocessing extends ImageGeometry {
  /**
   * Applied to training pictures. Where one of them settles the size (`RandomCrop`, `RandomResizedCrop`, …) it takes the
   * place of `centerCrop`, and works on the resized picture. Default: none.
   */
  readonly trainTransforms?: readonly ImageTransform[] | undefined;
}

/** What is done to the pictures of one part: first the geometry, while decoding, then the transforms. */
export interface ImagePipeline {
  geometry: ImageGeometry;
  transforms: readonly ImageTransform[];
}

/** A preprocessing as a saved task holds it. */
export interface ImagePreprocessingJSON extends ImageGeometry {
  trainTransforms?: TransformDescription[];
}

/** ImageNet's usual preparation (a shortest edge of 256, of which the middle 224 x 224), without augmentation. */
export const DEFAULT_PREPROCESSING: ImagePreprocessing = {
  resize: { shortestEdge: 256 },
  centerCrop: { width: 224, height: 224 },
};

/** For everything but training. */
export function evaluationPipeline({ resize, centerCrop, interpolation }: ImagePreprocessing): ImagePipeline {
  return { geometry: { resize, centerCrop, interpolation }, transforms: [] };
}

/**
 * For training.
 *
 * @throws ConfigurationError `ERR_IMAGE_SIZE` where training pictures would come out in another size than others
 */
export function trainPipeline(preprocessing: ImagePreprocessing): ImagePipeline {
  const { resize, centerCrop, interpolation, trainTransforms = [] } = preprocessing;
  const sizing = trainTransforms.findLast(({ outputSize }) => outputSize !== undefined);
  if (sizing === undefined)
    return { geometry: { resize, centerCrop, interpolation }, transforms: trainTransforms };
  const expected = outputSize(preprocessing);
  const { width, height } = sizing.outputSize!;
  if (expected !== undefined && (width !== expected.width || height !== expected.height)) {
    throw new ConfigurationError(
      "ERR_IMAGE_SIZE",
      `${sizing.name} makes training pictures of ${width} x ${height}, but the others are ${expected.width} x ` +
        `${expected.height} (width x height). Give both the same size.`,
    );
  }
  return { geometry: { resize, interpolation }, transforms: trainTransforms };
}

/** The size of every prepared picture; undefined where it depends on the picture. */
export function outputSize({ resize, centerCrop }: ImagePreprocessing): Size | undefined {
  if (centerCrop !== undefined) return centerCrop;
  return resize !== undefined && "width" in resize ? resize : undefined;
}

/**
 * The preprocessing that `toJSON` described.
 *
 * @throws ConfigurationError `ERR_TRANSFORM_UNKNOWN`, `ERR_IMAGE_SIZE`
 */
export function preprocessingFromJSON(json: ImagePreprocessingJSON): ImagePreprocessing {
  checkGeometry(json);
  return { ...json, trainTransforms: (json.trainTransforms ?? []).map(imageTransformFromJSON) };
}
