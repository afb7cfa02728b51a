/** BatchNorm2d: batch normalisation of channels-last pictures. */
import type * as tf from "@tensorflow/tfjs-core";
import { checkPictures } from "../shape_checks.js";
import { BatchNorm } from "./batch_norm.js";

/** [batch, height, width, numFeatures] to the same. */
export class BatchNorm2d extends BatchNorm {
  protected override checkInput(input: tf.Tensor): void {
    checkPictures("BatchNorm2d", input, this.numFeatures);
  }
}
