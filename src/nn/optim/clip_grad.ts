/** Bounds on gradients, between the backward pass and the optimizer's step. */
import * as tf from "@tensorflow/tfjs-core";
import type { Parameter } from "../parameter.js";

/**
 * Scales all gradients by one factor so that their common Euclidean norm is at most `maxNorm` (Pascanu et al., 2013).
 * PyTorch's factor: min(1, maxNorm / (norm + 1e-6)). Reads nothing back.
 *
 * @returns the norm before, a float32 scalar
 */
export function clipGradNorm(parameters: Iterable<Parameter>, maxNorm: number): tf.Scalar {
  const withGrad = [...parameters].filter((parameter) => parameter.grad !== null);
  return tf.tidy(() => {
    if (withGrad.length === 0) return tf.scalar(0);
    const squares = withGrad.map(({ grad }) => tf.sum<tf.Scalar>(tf.square(grad!)));
    const norm = tf.sqrt(tf.addN(squares));
    const factor = tf.minimum(tf.div(tf.scalar(maxNorm), tf.add(norm, 1e-6)), 1);
    for (const parameter of withGrad) replaceGrad(parameter, tf.mul(parameter.grad!, factor));
    return norm;
  });
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
