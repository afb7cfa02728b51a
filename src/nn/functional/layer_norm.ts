/** Layer normalisation (Ba et al., 2016). */
import * as tf from "@tensorflow/tfjs-core";
import { fusedLayerNorm } from "../../engine/fused/layer_norm.js";
import { ConfigurationError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";

/** Scale, shift and epsilon of `layerNorm`. */
export interface LayerNormParameters {
  /** Factor, shaped as the normalised axes. Default: 1. */
  weight?: tf.Tensor | null;
  /** Offset, shaped as the normalised axes. Default: 0. */
  bias?: tf.Tensor | null;
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
}

/**
 * Normalises by the mean and the biased variance over the last axes: (x - mean) / √(variance + eps) · weight + bias.
 *
 * @param input […, ...normalizedShape]
 * @param normalizedShape the lengths of the axes that are normalised
 * @throws ConfigurationError `ERR_SHAPE` if the input does not end in `normalizedShape`
 */
export function layerNorm(
  input: tf.Tensor,
  normalizedShape: readonly number[],
  { weight, bias, eps = 1e-5 }: LayerNormParameters = {},
): tf.Tensor {
  const shape = [...normalizedShape];
  const ending = input.shape.slice(Math.max(0, input.rank - shape.length));
  if (shape.length === 0 || !tf.util.arraysEqual(ending, shape)) {
    throw new ConfigurationError(
      "ERR_SHAPE",
      `layerNorm over ${formatShape(shape)} takes an input that ends in these axes, not ${formatShape(input.shape)}. ` +
        "Give the lengths of the last axes, in order.",
    );
  }
  for (const parameter of [weight, bias]) {
    if (parameter == null || tf.util.arraysEqual(parameter.shape, shape)) continue;
    throw new ConfigurationError(
      "ERR_SHAPE",
      `layerNorm over ${formatShape(shape)} takes a weight and a bias of this shape, not ${formatShape(parameter.shape)}.`,
    );
  }
  return fusedLayerNorm(input, weight ?? tf.ones(shape), bias ?? tf.zeros(shape), eps);
}
