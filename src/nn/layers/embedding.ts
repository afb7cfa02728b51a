/** Embedding: a trainable table of vectors, looked up by index. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { embedding } from "../functional/embedding.js";
import { normal } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";

/** Options of `Embedding`. */
export interface EmbeddingOptions {
  /** A row that starts as zeros and is not trained; negative ones count from the end. Default: none. */
  paddingIdx?: number;
}

/** int32 […] to […, embeddingDim]. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  /** [numEmbeddings, embeddingDim], standard normal at first */
  readonly weight: Parameter;

  /** @throws ConfigurationError `ERR_PADDING_INDEX` if `paddingIdx` is no row of the table */
  constructor(numEmbeddings: number, embeddingDim: number, { paddingIdx }: EmbeddingOptions = {}) {
    super();
    if (paddingIdx !== undefined && !(paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings)) {
      throw new ConfigurationError(
        "ERR_PADDING_INDEX",
        `Embedding has rows 0 to ${numEmbeddings - 1}; ${paddingIdx} is none of them. Choose paddingIdx among them.`,
      );
    }
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.paddingIdx = paddingIdx === undefined ? null : (paddingIdx + numEmbeddings) % numEmbeddings;
    this.weight = new Parameter(firstRows(numEmbeddings, embeddingDim, this.paddingIdx));
  }

  forward(input: tf.Tensor): tf.Tensor {
    const { paddingIdx } = this;
    return embedding(input, this.weight as tf.Tensor as tf.Tensor2D, { paddingIdx });
  }
}

function firstRows(rows: number, width: number, paddingIdx: number | null): HostTensor {
  const table = normal([rows, width]);
  if (paddingIdx !== null) table.data.fill(0, paddingIdx * width, (paddingIdx + 1) * width);
  return table;
}
