/** Backbones: the networks that tasks put their heads on. */
export { Bert, type BertInput, type BertOptions, type BertOutput } from "./bert.js";
export type {
  FrozenBackbone,
  ImageBackbone,
  ImageInput,
  OnnxFace,
  PixelNormalization,
  TrainableBackbone,
} from "./image_backbone.js";
export { IMAGENET_NORMALIZATION, inputSize } from "./image_backbone.js";
export {
  downloadBackbone,
  findBackboneFolder,
  type BackboneFolder,
  type BackboneSourceOptions,
  type DownloadBackboneOptions,
} from "./backbone_folder.js";
export type { BackboneDtype, BackboneFiles } from "./backbone_files.js";
export {
  downloadProgressBar,
  hubDownload,
  snapshotDownload,
  type DownloadProgress,
  type DownloadProgressBarOptions,
  type DownloadProgressCallback,
  type HubDownloadOptions,
  type HubOptions,
  type SnapshotDownloadOptions,
} from "./hub/index.js";
export { formatImageInput } from "./format_image_input.js";
export { parseImageInput, parseTimmInput } from "./huggingface_image_input.js";
export { ConformerEncoder, type ConformerOptions } from "./conformer.js";
export { ConvNeXt, type ConvNeXtOptions } from "./convnext.js";
export {
  DistilBert,
  type DistilBertInput,
  type DistilBertOptions,
  type DistilBertOutput,
} from "./distilbert.js";
export { EfficientNetB0, type EfficientNetOptions } from "./efficientnet.js";
export { ImageEncoder, type FeatureInfo } from "./image_encoder.js";
export { MobileNetV2 } from "./mobilenet_v2.js";
export { MobileNetV3 } from "./mobilenet_v3.js";
export { onnxBackbone } from "./onnx_backbone.js";
export { OnnxImageEncoder } from "./onnx_image_encoder.js";
export { layersBefore, OnnxMapEncoder } from "./onnx_map_encoder.js";
export { loadOnnxFolder } from "./onnx_folder.js";
export {
  createArchitecture,
  createImageBackbone,
  findImageBackbone,
  hasArchitecture,
  loadImageBackbone,
  type LoadImageBackboneOptions,
} from "./registry.js";
export * from "./registry/index.js";
export { ResNet, resnet18, resnet34, resnet50, type ResNetOptions } from "./resnet.js";
export {
  SampleEncoder,
  type Frames,
  type SampleEncoderOptions,
  type SpeechInput,
  type SpeechOutput,
} from "./sample_encoder.js";
export type { FeatureExtractorOptions } from "./speech_features.js";
export type { SpecAugmentOptions } from "./spec_augment.js";
export {
  Conformer,
  Wav2Vec2Conformer,
  type SpectrogramConformerOptions,
  type SpectrogramInput,
  type Wav2Vec2ConformerOptions,
} from "./speech_conformers.js";
export { Wav2Vec2, type Wav2Vec2Options } from "./wav2vec2.js";
export { SmallCnn } from "./small_cnn.js";
export { VisionTransformer, vitSizes, type VisionTransformerOptions } from "./vit.js";
export { loadWeights, type PublishedWeights, type Weights } from "./weights.js";
