/** EmbeddingBag: weighted sums of the rows of a trainable table. */
import * as tf from "@tensorflow/tfjs-core";
import type { HostTensor } from "../../host_tensor.js";
import { ConfigurationError } from "../../errors.js";
import { embedding } from "../functional/embedding.js";
import { normal } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { formatShape } from "../shape_checks.js";

/** Bags of equal length: where one is shorter, fill it up with any index of weight 0. */
export interface EmbeddingBagInput {
  /** int32 [batch, length] */
  indices: tf.Tensor;
  /** float32 [batch, length]. Default: all 1. */
  perSampleWeights?: tf.Tensor;
}

/** Sums rows as PyTorch's does with `mode="sum"`: [batch, length] to [batch, embeddingDim]. */
export class EmbeddingBag extends Module<EmbeddingBagInput, tf.Tensor> {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  /** [numEmbeddings, embeddingDim] */
  readonly weight: Parameter;

  /** @param weight the first values. Default: standard normal. */
  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    { weight = normal([numEmbeddings, embeddingDim]) }: { weight?: HostTensor } = {},
  ) {
    super();
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.weight = new Parameter(weight);
  }

  /** @throws ConfigurationError `ERR_SHAPE` for indices or weights of another form, `ERR_INDEX_TYPE` */
  override forward({ indices, perSampleWeights }: EmbeddingBagInput): tf.Tensor {
    if (
      indices.rank !== 2 ||
      (perSampleWeights && !tf.util.arraysEqual(perSampleWeights.shape, indices.shape))
    ) {
      const given =
        perSampleWeights === undefined ? "" : ` with weights ${formatShape(perSampleWeights.shape)}`;
      throw new ConfigurationError(
        "ERR_SHAPE",
        `EmbeddingBag takes indices [batch, length] and weights of the same shape, not ${formatShape(indices.shape)}${given}.`,
      );
    }
    const [batch, length] = indices.shape as [number, number];
    const rows = embedding(indices, this.weight as tf.Tensor as tf.Tensor2D);
    if (perSampleWeights === undefined) return tf.sum(rows, 1);
    const weights = tf.reshape(perSampleWeights, [batch, 1, length]);
    return tf.reshape(tf.matMul(weights, rows), [batch, this.embeddingDim]);
  }
}
