/** Layers of encoders for text with the first weights that Hugging Face gives them. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { Embedding, init, Linear } from "../nn/index.js";
import { setValue } from "./initialize.js";

/** A linear layer whose weight is normal with deviation `std`, and whose bias is 0. */
export function normalLinear(inFeatures: number, outFeatures: number, std: number): Linear {
  const layer = new Linear(inFeatures, outFeatures);
  setValue(layer.weight, init.normal(layer.weight.shape, { std }));
  setValue(layer.bias!, init.zeros(layer.bias!.shape));
  return layer;
}

/** A table whose rows are normal with deviation `std`, but for a row of zeros. @param paddingIdx default: none */
export function normalEmbedding(rows: number, width: number, std: number, paddingIdx?: number): Embedding {
  const embedding = new Embedding(rows, width, paddingIdx === undefined ? {} : { paddingIdx });
  tf.tidy(() => embedding.weight.assign(tf.mul(embedding.weight, std))); // they are normal with deviation 1 at first
  return embedding;
}

/**
 * The embeddings of the first positions: [length, width].
 *
 * @throws ConfigurationError `ERR_SEQUENCE_LENGTH` where there are fewer
 */
export function positionRows(
  name: string,
  { weight, numEmbeddings, embeddingDim }: Embedding,
  length: number,
): tf.Tensor {
  if (length > numEmbeddings) {
    throw new ConfigurationError(
      "ERR_SEQUENCE_LENGTH",
      `This ${name} takes sequences of up to ${numEmbeddings} tokens, not ${length}. Truncate them.`,
    );
  }
  return tf.slice(weight, [0, 0], [length, embeddingDim]);
}
