/** Activation functions, element by element but for softmax. */
import * as tf from "@tensorflow/tfjs-core";
import { fusedGelu, fusedSilu, type GeluApproximation } from "../../engine/fused/activations.js";
import { fusedRelu, fusedRelu6 } from "../../engine/fused/relu.js";
import { ConfigurationError, describeChoices } from "../../errors.js";

/** max(x, 0) */
export function relu(x: tf.Tensor): tf.Tensor {
  return fusedRelu(x);
}

/** min(max(x, 0), 6) */
export function relu6(x: tf.Tensor): tf.Tensor {
  return fusedRelu6(x);
}

/** x where positive, `negativeSlope` · x elsewhere. Default slope: 0.01. */
export function leakyRelu(x: tf.Tensor, negativeSlope = 0.01): tf.Tensor {
  return tf.leakyRelu(x, negativeSlope);
}

/** Options of `gelu`. */
export interface GeluOptions {
  /** `tanh` approximates Φ by a tanh of a cubic; `none` is exact. Default: `none`. */
  approximate?: GeluApproximation;
}

/**
 * x · Φ(x) with the distribution function Φ of the normal distribution (Hendrycks and Gimpel, 2016).
 *
 * @throws ConfigurationError `ERR_GELU_APPROXIMATION` for an approximation that there is not
 */
export function gelu(x: tf.Tensor, { approximate = "none" }: GeluOptions = {}): tf.Tensor {
  if (!["none", "tanh"].includes(approximate)) {
    throw new ConfigurationError(
      "ERR_GELU_APPROXIMATION",
      `gelu has no approximation ${JSON.stringify(approximate)}. ${describeChoices(approximate, ["none", "tanh"])}`,
    );
  }
  return fusedGelu(x, approximate);
}

/** x · sigmoid(x), also called swish (Elfwing et al., 2017). */
export function silu(x: tf.Tensor): tf.Tensor {
  return fusedSilu(x);
}

/** x · relu6(x + 3) / 6 (Howard et al., "Searching for MobileNetV3", 2019). */
export function hardswish(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, hardsigmoid(x));
}

/** relu6(x + 3) / 6 (Howard et al., "Searching for MobileNetV3", 2019). */
export function hardsigmoid(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6);
}

/** 1 / (1 + exp(-x)) */
export function sigmoid(x: tf.Tensor): tf.Tensor {
  return tf.sigmoid(x);
}

/** The hyperbolic tangent of every element. */
export function tanh(x: tf.Tensor): tf.Tensor {
  return tf.tanh(x);
}

/** exp(x) / Σ exp(x) over the last axis. */
export function softmax(x: tf.Tensor): tf.Tensor {
  return tf.softmax(x);
}
