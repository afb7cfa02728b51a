/** Backbones: the networks that tasks put their heads on. */
export { Bert, type BertInput, type BertOptions, type BertOutput } from "./bert.js";
export type {
  FrozenBackbone,
  ImageBackbone,
  ImageInput,
  OnnxFace,
  TrainableBackbone,
} from "./image_backbone.js";
export { IMAGENET_NORMALIZATION, inputSize } from "./image_backbone.js";
export { formatImageInput } from "./format_image_input.js";
export { parseImageInput } from "./huggingface_image_input.js";
export { MobileNetV2 } from "./mobilenet_v2.js";
export { onnxBackbone } from "./onnx_backbone.js";
export { loadOnnxFolder } from "./onnx_folder.js";
export { availableBackbones, createArchitecture, createImageBackbone } from "./registry.js";
export { ResNet18 } from "./resnet.js";
export { SmallCnn } from "./small_cnn.js";
export { VisionTransformer, vitSizes, type VisionTransformerOptions } from "./vit.js";
