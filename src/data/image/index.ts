/** Pictures: decoding, geometry, transforms, datasets. */
export { checkImageHeader, readImageSize, decodeImage, type DecodeOptions } from "./decode.js";
export {
  applyGeometry,
  centerCropImage,
  type ImageGeometry,
  type Resize as ResizeTarget,
} from "./geometry.js";
export {
  imageFromPixels,
  imageToTensor,
  isPixelData,
  type Image,
  type PixelData,
  type Size,
} from "./image.js";
export type { Interpolation } from "./resample.js";
export type { ImageSource } from "./source.js";
export * from "./transforms/index.js";
export {
  ImageDataset,
  type ClassificationTarget,
  type DecodeLimits,
  type ImageDatasetOptions,
  type ImageSample,
} from "./image_dataset.js";
export {
  DEFAULT_PREPROCESSING,
  evaluationPipeline,
  outputSize,
  preprocessingFromJSON,
  trainPipeline,
  type ImagePipeline,
  type ImagePreprocessing,
  type ImagePreprocessingJSON,
} from "./preprocessing.js";
