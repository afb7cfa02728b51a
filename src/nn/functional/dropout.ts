/** Dropout (Srivastava et al., 2014). */
import * as tf from "@tensorflow/tfjs-core";
import { fusedDropoutFactors } from "../../engine/fused/dropout.js";
import { ConfigurationError } from "../../errors.js";
import { getGlobalGenerator, type Generator } from "../../random.js";

/**
 * Sets each element to zero with probability `p` and divides the others by 1 - p, so that the mean stays.
 *
 * @param p in [0, 1], to which the share is exact to 2⁻¹⁶
 * @param generator where the choice comes from. Default: the global generator.
 * @throws ConfigurationError `ERR_DROPOUT` for another p
 */
export function dropout(input: tf.Tensor, p: number, generator: Generator = getGlobalGenerator()): tf.Tensor {
  return tf.mul(input, dropoutFactors(input.shape, p, generator));
}

/** What `dropout` multiplies a tensor of this shape by: 0 with probability `p`, 1 / (1 - p) elsewhere. */
export function dropoutFactors(
  shape: readonly number[],
  p: number,
  generator: Generator = getGlobalGenerator(),
): tf.Tensor {
  checkProbability(p);
  return fusedDropoutFactors(shape, p, generator);
}

/** @throws ConfigurationError `ERR_DROPOUT` */
export function checkProbability(p: number): void {
  if (p >= 0 && p <= 1) return;
  throw new ConfigurationError("ERR_DROPOUT", `Dropout's probability is from 0 to 1, not ${p}.`);
}
