/** Embedding: rows of a table by index. */
import type * as tf from "@tensorflow/tfjs-core";
import { fusedEmbedding } from "../../engine/fused/embedding.js";
import { ConfigurationError } from "../../errors.js";

/** The table that `embedding` looks up. */
export interface EmbeddingParameters {
  /** A row that gets no gradient. Default: none. */
  paddingIdx?: number | null;
}

/**
 * Rows of a table, looked up by their numbers.
 *
 * @param indices int32 […], each from 0 to the number of rows - 1
 * @param weight [rows, width]
 * @returns […, width]
 * @throws ConfigurationError `ERR_INDEX_TYPE` for indices of another type
 */
export function embedding(
  indices: tf.Tensor,
  weight: tf.Tensor2D,
  { paddingIdx }: EmbeddingParameters = {},
): tf.Tensor {
  if (indices.dtype !== "int32") {
    throw new ConfigurationError(
      "ERR_INDEX_TYPE",
      `An embedding is looked up by int32 indices, not ${indices.dtype}. Cast them with tf.cast(indices, "int32").`,
    );
  }
  return fusedEmbedding(weight, indices, paddingIdx ?? -1);
}
