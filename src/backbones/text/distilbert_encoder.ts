/** DistilBERT as the backbone of a text task. */
import type * as tf from "@tensorflow/tfjs-core";
import { Module } from "../../nn/index.js";
import { DistilBert, type DistilBertOptions } from "../distilbert.js";
import { poolTokens, type TextPooling } from "./pooling.js";
import type { TextInputs, TextModule } from "./text_backbone.js";

/** Tokens to features [batch, dim]. */
export class DistilBertEncoder extends Module<TextInputs, tf.Tensor> implements TextModule {
  readonly numFeatures: number;
  readonly distilbert: DistilBert;
  readonly pooling: TextPooling;

  constructor(options: DistilBertOptions, pooling: TextPooling) {
    super();
    this.distilbert = new DistilBert(options);
    this.numFeatures = this.distilbert.numFeatures;
    this.pooling = pooling;
  }

  override forward(inputs: TextInputs): tf.Tensor {
    return poolTokens(this.forwardTokens(inputs), inputs.attentionMask!, this.pooling);
  }

  forwardTokens({ inputIds, attentionMask }: TextInputs): tf.Tensor {
    return this.distilbert.forward({ inputIds: inputIds!, attentionMask: attentionMask! }).lastHiddenState;
  }
}
