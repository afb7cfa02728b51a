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
  exportOnnx,
  type OnnxDifference,
  type OnnxExport,
  type OnnxExportOptions,
  type OnnxModuleExportOptions,
  type WeightType,
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
  type TrainableBackbone,
  VisionTransformer,
  type VisionTransformerOptions,
  vitSizes,
} from "./backbones/index.js";
export { ImageClassifier } from "./tasks/image/image_classifier.js";
export type { ImageClassifierOptions } from "./tasks/image/image_classifier_options.js";
export * from "./tasks/image/image_classification_data.js";
export type { Classification, OutputName, OutputOptions } from "./tasks/outputs.js";
export {
  contactSheet,
  type ContactSheetItem,
  type ContactSheetOptions,
} from "./tasks/image/contact_sheet.js";
export * from "./tasks/detection/index.js";
/** The TensorFlow.js that Kindling records with: use this one, so that there is only one. */
export * as tf from "@tensorflow/tfjs-core";
