/** Convolutions of three widths over tokens, and the largest value of each (Kim, 2014, https://arxiv.org/abs/1408.5882). */
import * as tf from "@tensorflow/tfjs-core";
import { Conv1d, Dropout, Embedding, Module } from "../../nn/index.js";
import type { TextInputs, TextModule } from "./text_backbone.js";

/** Options of `TextCnn`. */
export interface TextCnnOptions {
  vocabSize: number;
  /** Default: 0. */
  padTokenId?: number;
  /** Width of the tokens' vectors. Default: 128. */
  embeddingDim?: number;
  /** Channels of each width. Default: 128. */
  numFilters?: number;
  /** Tokens that a convolution sees at once. Default: 2, 3 and 4. */
  filterSizes?: readonly number[];
  /** Share of the vectors and of the features dropped in training. Default: 0.3. */
  dropout?: number;
}

/** Tokens to features [batch, numFilters · widths]. */
export class TextCnn extends Module<TextInputs, tf.Tensor> implements TextModule {
  readonly numFeatures: number;
  readonly embedding: Embedding;
  readonly convolutions: Conv1d[];
  readonly dropout: Dropout;
  readonly #filterSizes: readonly number[];

  constructor({
    vocabSize,
    padTokenId = 0,
    embeddingDim = 128,
    numFilters = 128,
    filterSizes = [2, 3, 4],
    dropout = 0.3,
  }: TextCnnOptions) {
    super();
    this.numFeatures = numFilters * filterSizes.length;
    this.embedding = new Embedding(vocabSize, embeddingDim, { paddingIdx: padTokenId });
    this.convolutions = filterSizes.map((size) => new Conv1d(embeddingDim, numFilters, size));
    this.dropout = new Dropout(dropout);
    this.#filterSizes = filterSizes;
  }

  /** Padding is zeros, so that windows over the end of a text see what those over its beginning do. */
  override forward({ inputIds, attentionMask }: TextInputs): tf.Tensor {
    const [batch, length] = inputIds!.shape as [number, number];
    const mask = tf.reshape(tf.cast(attentionMask!, "float32"), [batch, length, 1]);
    const embedded = tf.mul(this.dropout.forward(this.embedding.forward(inputIds!)), mask);
    const features = this.convolutions.map((convolution, i) => {
      const margin = this.#filterSizes[i]! - 1;
      const padded = tf.pad(embedded, [
        [0, 0],
        [margin, margin],
        [0, 0],
      ]);
      const windows = tf.relu(convolution.forward(padded));
      // Windows that begin behind the text see zeros alone, whatever the batch pads: they must not be the largest.
      const seen = tf.pad(
        mask,
        [
          [0, 0],
          [margin, 0],
          [0, 0],
        ],
        1,
      );
      return tf.max(tf.mul(windows, seen), 1);
    });
    return this.dropout.forward(tf.concat(features, 1));
  }
}
