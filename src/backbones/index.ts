/** Backbones: the networks that tasks put their heads on. */
export { Bert, type BertInput, type BertOptions, type BertOutput } from "./bert.js";
export type { FrozenBackbone, ImageBackbone, ImageInput, TrainableBackbone } from "./image_backbone.js";
export { IMAGENET_NORMALIZATION } from "./image_backbone.js";
export { parseImageInput } from "./huggingface_image_input.js";
export { ConvNeXt, type ConvNeXtOptions } from "./convnext.js";
export { EfficientNetB0, type EfficientNetOptions } from "./efficientnet.js";
export { ImageEncoder, type FeatureInfo } from "./image_encoder.js";
export { MobileNetV2 } from "./mobilenet_v2.js";
export { MobileNetV3 } from "./mobilenet_v3.js";
export { frozenBackbone, inputSize, loadOnnxFolder } from "./onnx_folder.js";
export { availableBackbones, createArchitecture, createImageBackbone } from "./registry.js";
export { ResNet, resnet18, resnet34, resnet50, type ResNetOptions } from "./resnet.js";
export { SmallCnn } from "./small_cnn.js";
export { VisionTransformer, vitSizes, type VisionTransformerOptions } from "./vit.js";
export { loadWeights, type PublishedWeights, type Weights } from "./weights.js";
