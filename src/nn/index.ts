/** Everything public of `nn`: modules, layers, losses, optimizers, schedules and metrics. */
export { Module, type AnyModule } from "./module.js";
export { ModuleBuffer, Parameter } from "./parameter.js";
export type { LoadStateOptions, LoadStateResult } from "./state_dict.js";
export { Flatten, Identity, ModuleList, Sequential } from "./containers.js";
export { hasRunningStatistics, type RunningStatistics } from "./running_statistics.js";
export { computeGradients } from "./autograd.js";
export { noGrad } from "./tape.js";
export * as init from "./init.js";

export { Linear, type LinearOptions } from "./layers/linear.js";
export { Conv1d, type Conv1dOptions } from "./layers/conv1d.js";
export { Conv2d, type Conv2dOptions } from "./layers/conv2d.js";
export { BatchNorm, type BatchNormOptions } from "./layers/batch_norm.js";
export { BatchNorm1d } from "./layers/batch_norm1d.js";
export { BatchNorm2d } from "./layers/batch_norm2d.js";
export { LayerNorm, type LayerNormOptions } from "./layers/layer_norm.js";
export { GroupNorm, type GroupNormOptions } from "./layers/group_norm.js";
export { GRU, type GRUOptions, type GRUState } from "./layers/gru.js";
export { Embedding, type EmbeddingOptions } from "./layers/embedding.js";
export { EmbeddingBag, type EmbeddingBagInput } from "./layers/embedding_bag.js";
export {
  MultiheadAttention,
  type AttentionMasks,
  type MultiheadAttentionOptions,
} from "./layers/multihead_attention.js";
export {
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerEncoderLayerOptions,
} from "./layers/transformer_encoder.js";
export { Dropout } from "./layers/dropout.js";
export { StochasticDepth } from "./layers/stochastic_depth.js";
export { AvgPool2d, GlobalAvgPool2d, MaxPool2d, type PoolOptions } from "./layers/pooling.js";
export {
  Gelu,
  Hardsigmoid,
  Hardswish,
  LeakyRelu,
  Relu,
  Relu6,
  Sigmoid,
  Silu,
  Softmax,
  Tanh,
} from "./layers/activations.js";

export {
  gelu,
  hardsigmoid,
  hardswish,
  leakyRelu,
  relu,
  relu6,
  sigmoid,
  silu,
  softmax,
  tanh,
  type GeluOptions,
} from "./functional/activations.js";
export { batchNorm, batchNormInference, type BatchNormResult } from "./functional/batch_norm.js";
export { conv1d, type Conv1dSettings } from "./functional/conv1d.js";
export { conv2d, type Conv2dSettings } from "./functional/conv2d.js";
export { dropout } from "./functional/dropout.js";
export { embedding, type EmbeddingParameters } from "./functional/embedding.js";
export { groupNorm, type GroupNormParameters } from "./functional/group_norm.js";
export { layerNorm, type LayerNormParameters } from "./functional/layer_norm.js";
export { linear, projections } from "./functional/linear.js";
export { softmaxCrossEntropy } from "./functional/softmax_cross_entropy.js";
export { scaledDotProductAttention, type AttentionOptions } from "./functional/attention.js";
export type { Pair } from "./shape_checks.js";

export { ctcLoss, type CtcLossOptions } from "./losses/ctc_loss.js";
export { crossEntropy, type CrossEntropyOptions } from "./losses/cross_entropy.js";
export { focalLoss, type FocalLossOptions } from "./losses/focal_loss.js";
export {
  binaryCrossEntropyWithLogits,
  type BinaryCrossEntropyOptions,
} from "./losses/binary_cross_entropy.js";
export { l1Loss, mseLoss } from "./losses/regression.js";

export * from "./optim/index.js";
export * from "./schedules/index.js";

export type { Metric, SummableMetric } from "./metrics/metric.js";
export { Accuracy, type AccuracyOptions } from "./metrics/accuracy.js";
export { ConfusionMatrix, type ConfusionMatrixOptions } from "./metrics/confusion_matrix.js";
export { F1Score, type F1Average, type F1ScoreOptions } from "./metrics/f1_score.js";
export { MeanMetric } from "./metrics/mean_metric.js";
