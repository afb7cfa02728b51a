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
export {
  allGatherObject,
  broadcastObject,
  ClusterEnvironment,
  type CollectiveArray,
  CollectiveWork,
  detectClusterEnvironment,
  joinProcessGroup,
  KubernetesEnvironment,
  type Membership,
  MPIEnvironment,
  type NumericArray,
  ProcessGroup,
  type RequestedRanks,
  SLURMEnvironment,
  TorchElasticEnvironment,
  type Variables,
} from "./distributed/index.js";
export * from "./nn/index.js";
export * from "./data/index.js";
export * from "./core/index.js";
export * from "./work/index.js";
export * from "./apps/index.js";
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
  type AudioBackboneEntry,
  type AudioBackboneName,
  availableBackbones,
  type BackboneDomain,
  type BackboneDtype,
  type BackboneEntries,
  type BackboneEntry,
  type BackboneName,
  type BackboneNames,
  type BackboneSourceOptions,
  Bert,
  type BertInput,
  type BertOptions,
  type BertOutput,
  createImageBackbone,
  describeBackbone,
  type DetectionBackboneEntry,
  type DetectionBackboneName,
  type DetectionInput,
  downloadBackbone,
  type DownloadBackboneOptions,
  type DownloadProgress,
  downloadProgressBar,
  type DownloadProgressBarOptions,
  type DownloadProgressCallback,
  type FrozenBackbone,
  hubDownload,
  type HubDownloadOptions,
  type HubOptions,
  type ImageBackbone,
  type ImageBackboneEntry,
  type ImageBackboneName,
  type ImageInput,
  type PixelNormalization,
  loadImageBackbone,
  type LoadImageBackboneOptions,
  snapshotDownload,
  type SnapshotDownloadOptions,
  type TextBackboneEntry,
  type TextBackboneName,
  type OnnxFace,
  type TrainableBackbone,
  type Tried,
  VisionTransformer,
  type VisionTransformerOptions,
  vitSizes,
} from "./backbones/index.js";
export type { ImageClassifierExportOptions } from "./tasks/image/export_image_classifier.js";
export {
  Conformer,
  ConformerEncoder,
  type ConformerOptions,
  ConvNeXt,
  type ConvNeXtOptions,
  DistilBert,
  type DistilBertInput,
  type DistilBertOptions,
  type DistilBertOutput,
  EfficientNetB0,
  type EfficientNetOptions,
  type FeatureExtractorOptions,
  type FeatureInfo,
  type Frames,
  ImageEncoder,
  loadWeights,
  MobileNetV2,
  MobileNetV3,
  type PublishedWeights,
  ResNet,
  resnet18,
  resnet34,
  resnet50,
  type ResNetOptions,
  SampleEncoder,
  type SampleEncoderOptions,
  type SpecAugmentOptions,
  type SpectrogramConformerOptions,
  type SpectrogramInput,
  type SpeechInput,
  type SpeechOutput,
  Wav2Vec2,
  Wav2Vec2Conformer,
  type Wav2Vec2ConformerOptions,
  type Wav2Vec2Options,
  type Weights,
} from "./backbones/index.js";
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
export type { TextTaskExportOptions } from "./tasks/text/export_text_task.js";
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
export { loadTextEncoder, type TextEncoderOptions } from "./backbones/text/load_text_encoder.js";
export type { TextEncoderSettings } from "./backbones/text/encoder_folder.js";
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
export type {
  CalibrationBin,
  ClassificationReport,
  ClassReport,
  HardSample,
} from "./tasks/classification_report.js";
export type { ClassCurve } from "./tasks/precision_recall.js";
export type { Classification, OutputName, OutputOptions } from "./tasks/outputs.js";
export {
  contactSheet,
  type ContactSheetItem,
  type ContactSheetOptions,
} from "./tasks/image/contact_sheet.js";
export * from "./tasks/audio/index.js";
export * from "./tasks/detection/index.js";
export { writeReport, type ReportOptions, type ReportPart } from "./report/write_report.js";
export * from "./serve/index.js";
/** The TensorFlow.js that Kindling records with: use this one, so that there is only one. */
export * as tf from "@tensorflow/tfjs-core";
