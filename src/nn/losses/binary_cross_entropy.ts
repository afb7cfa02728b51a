/** Cross-entropy of independent yes-or-no logits. */
import * as tf from "@tensorflow/tfjs-core";
import { checkSameShape } from "../shape_checks.js";

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions {
  /** Factor of the positive targets, one for each class of the last axis, or for all. Default: 1. */
  posWeight?: tf.Tensor1D | readonly number[] | number;
}

/**
 * The mean of posWeight · target · softplus(-x) + (1 - target) · softplus(x), in a form that does not overflow.
 *
 * @param logits any shape
 * @param target float32 in [0, 1], shaped as the logits
 * @returns float32 scalar
 * @throws ConfigurationError if the shapes differ
 */
export function binaryCrossEntropyWithLogits(
  logits: tf.Tensor,
  target: tf.Tensor,
  { posWeight }: BinaryCrossEntropyOptions = {},
): tf.Scalar {
  checkSameShape("binaryCrossEntropyWithLogits", logits, target);
  return tf.tidy(() => {
    const negative = tf.sub(1, target);
    const softplus = tf.softplus(tf.neg(logits));
    // softplus(x) = x + softplus(-x)
    if (posWeight === undefined) return tf.mean(tf.add(tf.mul(negative, logits), softplus));
    const factor = tf.add(negative, tf.mul(target, posWeight as tf.Tensor));
    return tf.mean(tf.add(tf.mul(negative, logits), tf.mul(factor, softplus)));
  });
}
