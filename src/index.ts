/** Kindling's public door. */
export * from "./errors.js";
export { HostTensor, type HostArray, type HostDType } from "./host_tensor.js";
export { Generator, getGlobalSeed, seedEverything } from "./random.js";
export {
  type Accelerator,
  type AcceleratorInfo,
  availableAccelerators,
  engine,
  type EngineChoice,
  type EngineOptions,
  fromHost,
  markStep,
  runStep,
  type EngineStats,
  type EngineTraceEvent,
} from "./engine/index.js";
export * from "./nn/index.js";
export * from "./data/index.js";
export * from "./core/index.js";
export {
  type DynamicAxes,
  encodeOnnx,
  exportOnnx,
  loadOnnx,
  OnnxModule,
  readOnnx,
  type OnnxArray,
  type OnnxAttribute,
  type OnnxAttributeValues,
  type OnnxDifference,
  type OnnxDimension,
  type OnnxExport,
  type OnnxExportOptions,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxInput,
  type OnnxInteger,
  type OnnxModel,
  type OnnxModuleExportOptions,
  type OnnxNode,
  type OnnxNumbers,
  type OnnxOptions,
  type OnnxOutput,
  type OnnxSparseTensor,
  type OnnxTensor,
  type OnnxType,
  type OnnxValueInfo,
  type OnnxValueType,
  type WeightType,
  writeOnnx,
  type WriteOnnxOptions,
} from "./onnx/index.js";
export {
  availableBackbones,
  Bert,
  type BertInput,
  type BertOptions,
  type BertOutput,
  type FrozenBackbone,
  type ImageBackbone,
  type ImageInput,
  type OnnxFace,
  type TrainableBackbone,
  VisionTransformer,
  type VisionTransformerOptions,
  vitSizes,
} from "./backbones/index.js";
export type { ImageClassifierExportOptions } from "./tasks/image/export_image_classifier.js";
export { ImageClassifier } from "./tasks/image/image_classifier.js";
export {
  ImageEmbedder,
  type EmbedderOptions,
  type EmbedderPooling,
  type ImageEmbedderOptions,
} from "./tasks/image/image_embedder.js";
export { cosineSimilarity, nearestNeighbors, type Neighbor } from "./tasks/similarity.js";
export type { ImageClassifierOptions } from "./tasks/image/image_classifier_options.js";
export * from "./tasks/image/image_classification_data.js";
export type { Classification, OutputName, OutputOptions } from "./tasks/outputs.js";
export {
  contactSheet,
  type ContactSheetItem,
  type ContactSheetOptions,
} from "./tasks/image/contact_sheet.js";
export * from "./tasks/audio/index.js";
/** The TensorFlow.js that Kindling records with: use this one, so that there is only one. */
export * as tf from "@tensorflow/tfjs-core";
