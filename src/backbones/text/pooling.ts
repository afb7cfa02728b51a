/** From one vector a token to one vector a text. */
import * as tf from "@tensorflow/tfjs-core";

/** The mean over the tokens, the first token, or the largest value of each feature over the tokens. */
export type TextPooling = "mean" | "cls" | "max";

/**
 * @param hidden [batch, length, width]
 * @param attentionMask [batch, length], 1 for tokens and 0 for padding
 * @returns [batch, width]
 */
export function poolTokens(hidden: tf.Tensor, attentionMask: tf.Tensor, pooling: TextPooling): tf.Tensor {
  const [batch, length, width] = hidden.shape as [number, number, number];
  if (pooling === "cls") return tf.reshape(tf.slice(hidden, [0, 0, 0], [-1, 1, -1]), [batch, width]);
  const mask = tf.cast(attentionMask, "float32");
  if (pooling === "max") {
    const hiding = tf.mul(tf.sub(1, tf.reshape(mask, [batch, length, 1])), -1e9);
    return tf.max(tf.add(hidden, hiding), 1);
  }
  const sums = tf.reshape(tf.matMul(tf.reshape(mask, [batch, 1, length]), hidden), [batch, width]);
  return tf.div(sums, tf.sum(mask, 1, true));
}
