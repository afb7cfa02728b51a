/** Dropout (Srivastava et al., 2014). */
import * as tf from "@tensorflow/tfjs-core";
import { getGlobalGenerator, type Generator } from "../../random.js";

/**
 * Sets each element to zero with probability `p` and divides the others by 1 - p, so that the mean stays.
 *
 * @param generator where the choice comes from. Default: the global generator.
 */
export function dropout(input: tf.Tensor, p: number, generator: Generator = getGlobalGenerator()): tf.Tensor {
  return tf.mul(input, dropoutFactors(input.shape, p, generator));
}

/** 0 with probability `p`, 1 / (1 - p) elsewhere. */
export function dropoutFactors(
  shape: readonly number[],
  p: number,
  generator: Generator = getGlobalGenerator(),
): tf.Tensor {
  const mask = new Float32Array(tf.util.sizeFromShape([...shape]));
  const kept = 1 / (1 - p);
  for (let i = 0; i < mask.length; i++) if (generator.uniform() >= p) mask[i] = kept;
  return tf.tensor(mask, [...shape]);
}
