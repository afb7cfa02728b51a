/** Bounds on gradients, between the backward pass and the optimizer's step. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import type { Parameter } from "../parameter.js";

export interface ClipGradNormOptions {
  /** Which norm: >= 1, Infinity for the largest element. Default: 2. */
  normType?: number;
  /** Whether a norm that is not finite is an error, for which it is read. Default: false. */
  errorIfNonfinite?: boolean;
}

/**
 * Scales all gradients by one factor so that their common norm is at most `maxNorm` (Pascanu et al., 2013). PyTorch's
 * factor: min(1, maxNorm / (norm + 1e-6)). Reads nothing back unless told to.
 *
 * @returns the norm before, a float32 scalar
 * @throws ConfigurationError `ERR_NORM_TYPE` for a norm that is none
 * @throws ConfigurationError `ERR_GRADIENT_NOT_FINITE` with `errorIfNonfinite`; the gradients are as they were
 */
export function clipGradNorm(
  parameters: Iterable<Parameter>,
  maxNorm: number,
  { normType = 2, errorIfNonfinite = false }: ClipGradNormOptions = {},
): tf.Scalar {
  if (!(normType >= 1)) {
    throw new ConfigurationError("ERR_NORM_TYPE", `A norm's type is a number >= 1, not ${String(normType)}.`);
  }
  const withGrad = [...parameters].filter((parameter) => parameter.grad !== null);
  return tf.tidy(() => {
    if (withGrad.length === 0) return tf.scalar(0);
    const norm = commonNorm(
      withGrad.map(({ grad }) => grad!),
      normType,
    );
    if (errorIfNonfinite && !Number.isFinite(norm.dataSync()[0])) {
      throw new ConfigurationError(
        "ERR_GRADIENT_NOT_FINITE",
        `The gradients cannot be clipped: their common norm of type ${normType} is ${norm.dataSync()[0]}. Look for what ` +
          "makes it, for example with the Trainer's detectAnomaly, or pass { errorIfNonfinite: false }.",
      );
    }
    const factor = tf.minimum(tf.div(tf.scalar(maxNorm), tf.add(norm, 1e-6)), 1);
    for (const parameter of withGrad) replaceGrad(parameter, tf.mul(parameter.grad!, factor));
    return norm;
  });
}

function commonNorm(grads: readonly tf.Tensor[], normType: number): tf.Scalar {
  if (normType === Infinity) return tf.max(tf.stack(grads.map((grad) => tf.max(tf.abs(grad)))));
  if (normType === 2) return tf.sqrt(tf.addN(grads.map((grad) => tf.sum<tf.Scalar>(tf.square(grad)))));
  const powers = grads.map((grad) => tf.sum<tf.Scalar>(tf.pow(tf.abs(grad), normType)));
  return tf.pow(tf.addN(powers), 1 / normType);
}

/** Cuts every element of every gradient to [-clipValue, clipValue]. Reads nothing back. */
export function clipGradValue(parameters: Iterable<Parameter>, clipValue: number): void {
  tf.tidy(() => {
    for (const parameter of parameters) {
      if (parameter.grad !== null)
        replaceGrad(parameter, tf.clipByValue(parameter.grad, -clipValue, clipValue));
    }
  });
}

function replaceGrad(parameter: Parameter, grad: tf.Tensor): void {
  parameter.zeroGrad();
  parameter.grad = tf.keep(grad);
}
