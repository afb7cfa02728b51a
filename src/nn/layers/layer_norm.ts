/** LayerNorm: normalisation over the last axes. */
import type * as tf from "@tensorflow/tfjs-core";
import { layerNorm } from "../functional/layer_norm.js";
import { ones, zeros } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";

/** Options of `LayerNorm`. */
export interface LayerNormOptions {
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
  /** Whether to have a weight and a bias. Default: true. */
  elementwiseAffine?: boolean;
}

/** Normalises by the mean and the biased variance over the last axes (Ba et al., 2016). */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  /** Shaped as the normalised axes. */
  readonly weight: Parameter | null;
  /** Shaped as the normalised axes. */
  readonly bias: Parameter | null;

  /** @param normalizedShape the lengths of the axes that are normalised; a number for the last one */
  constructor(
    normalizedShape: number | readonly number[],
    { eps = 1e-5, elementwiseAffine = true }: LayerNormOptions = {},
  ) {
    super();
    this.normalizedShape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
    this.eps = eps;
    this.weight = elementwiseAffine ? new Parameter(ones(this.normalizedShape)) : null;
    this.bias = elementwiseAffine ? new Parameter(zeros(this.normalizedShape)) : null;
  }

  forward(input: tf.Tensor): tf.Tensor {
    const { weight, bias, eps } = this;
    return layerNorm(input, this.normalizedShape, { weight, bias, eps });
  }
}
