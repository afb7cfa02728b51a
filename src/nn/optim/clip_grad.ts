/** Bounds on gradients, between the backward pass and the optimizer's step. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { fusedSquaredSums } from "../../engine/fused/squared_sums.js";
import { scaleGrads } from "../grad_factor.js";
import type { Parameter } from "../parameter.js";

/** Options of `clipGradNorm`. */
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
 * @throws ConfigurationError `ERR_GRADIENTS_SHARDED` where other ranks have some of the gradients, as under "zero1"
 */
export function clipGradNorm(
  parameters: Iterable<Parameter>,
  maxNorm: number,
  options: ClipGradNormOptions = {},
): tf.Scalar {
  const all = [...parameters];
  if (all.some(({ gradOwner }) => gradOwner !== undefined)) {
    throw new ConfigurationError(
      "ERR_GRADIENTS_SHARDED",
      "The gradients cannot be clipped by clipGradNorm: each rank has some of them, and their norm is of all. Call the module's " +
        "clipGradients(optimizer, maxNorm), or fabric.clipGradients(module, optimizer, { maxNorm }), which ask the other ranks.",
    );
  }
  return clipGradNormAmong(all, maxNorm, options, (terms) => terms.filter((term) => term !== null));
}

/**
 * As `clipGradNorm`, where other ranks have gradients too.
 *
 * @param gather is given a term of the norm for each parameter, null for those without a gradient here, and gives the terms
 *   of all ranks in the same order
 */
export function clipGradNormAmong(
  parameters: readonly Parameter[],
  maxNorm: number,
  { normType = 2, errorIfNonfinite = false }: ClipGradNormOptions,
  gather: (terms: readonly (tf.Scalar | null)[]) => tf.Scalar[],
): tf.Scalar {
  if (!(normType >= 1)) {
    throw new ConfigurationError("ERR_NORM_TYPE", `A norm's type is a number >= 1, not ${String(normType)}.`);
  }
  return tf.tidy(() => {
    const terms = gather(termsOf(parameters, normType));
    if (terms.length === 0) return tf.scalar(0);
    const norm = normOf(terms, normType);
    if (errorIfNonfinite && !Number.isFinite(norm.dataSync()[0])) {
      throw new ConfigurationError(
        "ERR_GRADIENT_NOT_FINITE",
        `The gradients cannot be clipped: their common norm of type ${normType} is ${norm.dataSync()[0]}. Look for what ` +
          "makes it, for example with the Trainer's detectAnomaly, or pass { errorIfNonfinite: false }.",
      );
    }
    const factor = tf.minimum<tf.Scalar>(tf.div(tf.scalar(maxNorm), tf.add(norm, 1e-6)), 1);
    scaleGrads(parameters, factor);
    return norm;
  });
}

/** What each gradient adds to the norm. */
function termsOf(parameters: readonly Parameter[], normType: number): (tf.Scalar | null)[] {
  const grads = parameters.map(({ grad }) => grad);
  const present = grads.filter((grad) => grad !== null);
  const terms = normType === 2 ? fusedSquaredSums(present) : present.map((grad) => termOf(grad, normType));
  let next = 0;
  return grads.map((grad) => (grad === null ? null : terms[next++]!));
}

function termOf(grad: tf.Tensor, normType: number): tf.Scalar {
  const sizes = tf.abs(grad);
  return normType === Infinity ? tf.max(sizes) : tf.sum(tf.pow(sizes, normType));
}

function normOf(terms: readonly tf.Scalar[], normType: number): tf.Scalar {
  if (normType === Infinity) return tf.max(tf.stack([...terms]));
  const sum = tf.addN([...terms]);
  return normType === 2 ? tf.sqrt(sum) : tf.pow(sum, 1 / normType);
}

/** Cuts every element of every gradient to [-clipValue, clipValue]. Reads nothing back. */
export function clipGradValue(parameters: Iterable<Parameter>, clipValue: number): void {
  tf.tidy(() => {
    for (const parameter of parameters) {
      if (parameter.grad !== null)
        parameter.replaceGrad(tf.clipByValue(parameter.grad, -clipValue, clipValue));
    }
  });
}
