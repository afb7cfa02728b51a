/** Losses for numbers. */
import * as tf from "@tensorflow/tfjs-core";
import { checkSameShape } from "../shape_checks.js";

/**
 * The mean squared difference, a float32 scalar.
 *
 * @throws ConfigurationError if the shapes differ
 */
export function mseLoss(preds: tf.Tensor, target: tf.Tensor): tf.Scalar {
  checkSameShape("mseLoss", preds, target);
  return tf.tidy(() => tf.mean(tf.square(tf.sub(preds, target))));
}

/**
 * The mean absolute difference, a float32 scalar. Its gradient is 0 where the difference is.
 *
 * @throws ConfigurationError if the shapes differ
 */
export function l1Loss(preds: tf.Tensor, target: tf.Tensor): tf.Scalar {
  checkSameShape("l1Loss", preds, target);
  return tf.tidy(() => {
    const difference = tf.sub(preds, target);
    // Not tf.abs, whose gradient at 0 is -1.
    return tf.mean(tf.mul(difference, tf.sign(difference)));
  });
}
