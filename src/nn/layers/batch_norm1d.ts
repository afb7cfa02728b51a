/** BatchNorm1d: batch normalisation of features, and of channels-last sequences. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";
import { BatchNorm } from "./batch_norm.js";

/** [batch, numFeatures] or [batch, length, numFeatures] to the same. */
export class BatchNorm1d extends BatchNorm {
  protected override checkInput(input: tf.Tensor): void {
    if ((input.rank === 2 || input.rank === 3) && input.shape.at(-1) === this.numFeatures) return;
    throw new ConfigurationError(
      "ERR_SHAPE",
      `BatchNorm1d takes an input of shape [batch, ${this.numFeatures}] or [batch, length, ${this.numFeatures}], ` +
        `not ${formatShape(input.shape)}. Check the layer before it; sequences are channels-last.`,
    );
  }
}
