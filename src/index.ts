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
export type { ImageClassifierExportOptions } from "./tasks/image/export_image_classifier.js";
export { ImageClassifier } from "./tasks/image/image_classifier.js";
export type { ImageClassifierOptions } from "./tasks/image/image_classifier_options.js";
export * from "./tasks/image/image_classification_data.js";
export {
  availableTextBackbones,
  createTextBackbone,
  type TextBackboneContext,
  type TokenOptions,
} from "./backbones/text/registry.js";
export type {
  SavedTextBackbone,
  TextBackbone,
  TextInputs,
  TextModule,
  TextRecipe,
} from "./backbones/text/text_backbone.js";
export type { EncodedText, TextArrays, TextPreprocessor } from "./backbones/text/text_preprocessor.js";
export { TextClassifier } from "./tasks/text/text_classifier.js";
export type { TextClassifierOptions } from "./tasks/text/text_classifier_options.js";
export type { TextClassifierExportOptions } from "./tasks/text/export_text_classifier.js";
export { TextEmbedder, type TextEmbedderOptions, type TextSearchHit } from "./tasks/text/text_embedder.js";
export { semanticSearch, type SearchHit, type SemanticSearchOptions } from "./tasks/text/semantic_search.js";
export { ZeroShotTextClassifier, type ZeroShotOptions } from "./tasks/text/zero_shot_text_classifier.js";
export {
  TokenClassifier,
  type TextEntity,
  type TokenClassifierOptions,
} from "./tasks/text/token_classifier.js";
export {
  TokenClassificationData,
  type ConllOptions,
  type TaggedJsonlOptions,
  type TaggedListsOptions,
  type TaggedWords,
  type TokenBatch,
  type TokenClassificationDataOptions,
} from "./tasks/text/token_classification_data.js";
export { loadTextEncoder, type TextEncoderOptions } from "./backbones/text/onnx_text_encoder.js";
export { loadWordVectors } from "./backbones/text/word_vectors_backbone.js";
export { plotConfusionMatrix, type ConfusionMatrixPlotOptions } from "./tasks/confusion_matrix_plot.js";
export type { TextPooling } from "./backbones/text/pooling.js";
export {
  Tokenizer,
  type EncodeOptions,
  type TokenizedText,
  type TokenizedWords,
  type TrainTokenizerOptions,
} from "./data/text/index.js";
export * from "./tasks/text/text_classification_data.js";
export type { ClassificationReport, ClassReport, HardSample } from "./tasks/classification_report.js";
export type { Classification, OutputName, OutputOptions } from "./tasks/outputs.js";
export {
  contactSheet,
  type ContactSheetItem,
  type ContactSheetOptions,
} from "./tasks/image/contact_sheet.js";
/** The TensorFlow.js that Kindling records with: use this one, so that there is only one. */
export * as tf from "@tensorflow/tfjs-core";
