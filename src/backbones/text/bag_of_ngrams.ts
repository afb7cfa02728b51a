/**
 * A weighted sum of learned vectors of n-grams, after fastText (Joulin et al., 2016, https://arxiv.org/abs/1607.01759): the
 * embedded default, which trains in seconds.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { EmbeddingBag, init, Module } from "../../nn/index.js";
import type { TextInputs, TextModule } from "./text_backbone.js";

/** Options of `BagOfNgrams`. */
export interface BagOfNgramsOptions {
  /** Rows of the table. */
  numNgrams: number;
  /** Width of the vectors. Default: 64. */
  embeddingDim?: number;
}

/** Small beside what training makes of them, so that an n-gram that training hardly meets says little. */
const FIRST_DEVIATION = 0.01;

/** `ngramIds` and `ngramWeights` [batch, length] to features [batch, embeddingDim]. */
export class BagOfNgrams extends Module<TextInputs, tf.Tensor> implements TextModule {
  readonly numFeatures: number;
  readonly embedding: EmbeddingBag;

  constructor({ numNgrams, embeddingDim = 64 }: BagOfNgramsOptions) {
    super();
    this.numFeatures = embeddingDim;
    const weight = init.normal([numNgrams, embeddingDim], { std: FIRST_DEVIATION });
    this.embedding = new EmbeddingBag(numNgrams, embeddingDim, { weight });
  }

  override forward({ ngramIds, ngramWeights }: TextInputs): tf.Tensor {
    return this.embedding.forward({ indices: ngramIds!, perSampleWeights: ngramWeights! });
  }
}
