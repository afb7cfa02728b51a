/** What every task has besides the Trainer's hooks. */
import type * as tf from "@tensorflow/tfjs-core";
import { LightningModule, type GradientClipAlgorithm } from "../core/index.js";
import type { Optimizer } from "../nn/index.js";

const GRADIENT_CLIP_NORM = 1;

/** Gradients are clipped to norm 1, unless the Trainer's options say otherwise. */
export abstract class Task<Input, Output = tf.Tensor> extends LightningModule<Input, Output> {
  override configureGradientClipping(
    optimizer: Optimizer,
    gradientClipVal = GRADIENT_CLIP_NORM,
    gradientClipAlgorithm: GradientClipAlgorithm = "norm",
  ): void {
    this.clipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);
  }
}
