/** All picture transforms. */
export { CenterCrop, RandomCrop, type CenterCropOptions, type RandomCropOptions } from "./crop.js";
export { ColorJitter, type ColorJitterOptions } from "./color_jitter.js";
export { Compose } from "./compose.js";
export { RandAugment, type RandAugmentOptions } from "./rand_augment.js";
export { RandomHorizontalFlip, RandomVerticalFlip, type RandomFlipOptions } from "./flip.js";
export { RandomResizedCrop, type RandomResizedCropOptions } from "./random_resized_crop.js";
export { Resize, type ResizeOptions } from "./resize.js";
export { imageTransformFromJSON, registerImageTransform } from "./from_json.js";
export { ImageTransform, type TransformDescription } from "./transform.js";
