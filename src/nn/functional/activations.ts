/** Activation functions, element by element but for softmax. */
import * as tf from "@tensorflow/tfjs-core";

/** max(x, 0) */
export function relu(x: tf.Tensor): tf.Tensor {
  return tf.relu(x);
}

/** min(max(x, 0), 6) */
export function relu6(x: tf.Tensor): tf.Tensor {
  return tf.relu6(x);
}

/** x where positive, `negativeSlope` · x elsewhere. Default slope: 0.01. */
export function leakyRelu(x: tf.Tensor, negativeSlope = 0.01): tf.Tensor {
  return tf.leakyRelu(x, negativeSlope);
}

/** x · Φ(x) with the exact distribution function Φ of the normal distribution (Hendrycks and Gimpel, 2016). */
export function gelu(x: tf.Tensor): tf.Tensor {
  return exactGelu(x);
}

const exactGelu = tf.customGrad((...inputs) => {
  const [x, save] = inputs as unknown as [tf.Tensor, tf.GradSaveFunc];
  const distribution = tf.add(tf.mul(tf.erf(tf.mul(x, Math.SQRT1_2)), 0.5), 0.5);
  save([x, distribution]);
  return { value: tf.mul(x, distribution), gradFunc: geluGradient };
});

/** Φ(x) + x · φ(x) */
function geluGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor {
  const [x, distribution] = saved as [tf.Tensor, tf.Tensor];
  const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return tf.mul(dy, tf.add(distribution, tf.mul(x, density)));
}

/** x · sigmoid(x), also called swish (Elfwing et al., 2017). */
export function silu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(x));
}

/** x · relu6(x + 3) / 6 (Howard et al., "Searching for MobileNetV3", 2019). */
export function hardswish(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6));
}

/** 1 / (1 + exp(-x)) */
export function sigmoid(x: tf.Tensor): tf.Tensor {
  return tf.sigmoid(x);
}

export function tanh(x: tf.Tensor): tf.Tensor {
  return tf.tanh(x);
}

/** exp(x) / Σ exp(x) over the last axis. */
export function softmax(x: tf.Tensor): tf.Tensor {
  return tf.softmax(x);
}
