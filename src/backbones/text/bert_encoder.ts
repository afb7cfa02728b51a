/** BERT as the backbone of a text task. */
import type * as tf from "@tensorflow/tfjs-core";
import { Module } from "../../nn/index.js";
import { Bert, type BertInput, type BertOptions } from "../bert.js";
import { poolTokens, type TextPooling } from "./pooling.js";
import type { TextInputs, TextModule } from "./text_backbone.js";

/** The sizes of Turc et al. (2019, https://arxiv.org/abs/1908.08962), and BERT base. */
export const bertSizes = {
  "bert-tiny": { numHiddenLayers: 2, hiddenSize: 128, numAttentionHeads: 2 },
  "bert-mini": { numHiddenLayers: 4, hiddenSize: 256, numAttentionHeads: 4 },
  "bert-small": { numHiddenLayers: 4, hiddenSize: 512, numAttentionHeads: 8 },
  "bert-medium": { numHiddenLayers: 8, hiddenSize: 512, numAttentionHeads: 8 },
  "bert-base": { numHiddenLayers: 12, hiddenSize: 768, numAttentionHeads: 12 },
} as const satisfies Record<string, BertOptions>;

/** Tokens to features [batch, hiddenSize]. */
export class BertEncoder extends Module<TextInputs, tf.Tensor> implements TextModule {
  readonly numFeatures: number;
  readonly bert: Bert;
  readonly pooling: TextPooling;

  constructor(options: BertOptions, pooling: TextPooling) {
    super();
    this.bert = new Bert(options);
    this.numFeatures = this.bert.numFeatures;
    this.pooling = pooling;
  }

  override forward(inputs: TextInputs): tf.Tensor {
    return poolTokens(this.forwardTokens(inputs), inputs.attentionMask!, this.pooling);
  }

  forwardTokens(inputs: TextInputs): tf.Tensor {
    return this.bert.forward(inputs as unknown as BertInput).lastHiddenState;
  }
}
