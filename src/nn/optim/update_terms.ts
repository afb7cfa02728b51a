/** Terms that the update rules of several optimizers share. */
import * as tf from "@tensorflow/tfjs-core";

/** A running mean's next value: kept · old + (1 - kept) · next. */
export function runningMean(old: tf.Tensor, next: tf.Tensor, kept: tf.Scalar): tf.Tensor {
  return tf.add(next, tf.mul(tf.sub(old, next), kept));
}

/** Gives gradients with an L2 penalty: grad + weightDecay · value. */
export function l2Penalty(weightDecay: number): (value: tf.Tensor, grad: tf.Tensor) => tf.Tensor {
  if (weightDecay === 0) return (_value, grad) => grad;
  const decay = tf.scalar(weightDecay);
  return (value, grad) => tf.add(grad, tf.mul(value, decay));
}

/** Gives values that a decoupled weight decay has shrunk: (1 - lr · weightDecay) · value (Loshchilov and Hutter, 2019). */
export function decoupledDecay(lr: number, weightDecay: number): (value: tf.Tensor) => tf.Tensor {
  if (weightDecay === 0) return (value) => value;
  const kept = tf.scalar(1 - lr * weightDecay);
  return (value) => tf.mul(value, kept);
}

/** Root mean square of all elements. */
export function rootMeanSquare(tensor: tf.Tensor): tf.Scalar {
  return tf.sqrt(tf.mean<tf.Scalar>(tf.square(tensor)));
}
