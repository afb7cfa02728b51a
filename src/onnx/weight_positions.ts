/**
 * Which inputs of operators are weights: an initializer of floats that is used there becomes a parameter and trains, any
 * other stays a constant.
 */

/** The weights' places among the inputs. */
export const WEIGHT_POSITIONS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  ConvInteger: [1],
  Gemm: [0, 1, 2],
  MatMul: [0, 1],
  Einsum: [0, 1, 2, 3],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  GroupNormalization: [1, 2],
  RMSNormalization: [1],
  SimplifiedLayerNormalization: [1],
  LSTM: [1, 2, 3, 7],
  GRU: [1, 2, 3],
  RNN: [1, 2, 3],
  PRelu: [1],
  Gather: [0],
  "com.microsoft:FusedMatMul": [0, 1],
  "com.microsoft:FusedGemm": [0, 1, 2],
  "com.microsoft:FusedConv": [1, 2],
  "com.microsoft:BiasGelu": [1],
  "com.microsoft:FastGelu": [1],
  "com.microsoft:SkipLayerNormalization": [2, 3, 4],
  "com.microsoft:SimplifiedLayerNormalization": [1],
  "com.microsoft:SkipSimplifiedLayerNormalization": [2, 3],
  "com.microsoft:EmbedLayerNormalization": [2, 3, 4, 5, 6],
  "com.microsoft:Attention": [1, 2],
  "com.microsoft:QAttention": [1, 2],
  "com.microsoft:MultiHeadAttention": [3],
};

/** Statistics that training moves and no gradient reaches: buffers. */
export const STATISTICS_POSITIONS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
};
