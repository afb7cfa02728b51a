/** Self-attention with three projections, as the encoders for text and for speech share it. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { projections, scaledDotProductAttention, type Linear } from "../nn/index.js";

/** What `selfAttention` attends with. */
export interface SelfAttentionOptions {
  query: Linear;
  key: Linear;
  value: Linear;
  numHeads: number;
  /** Added to the scores, broadcast to [batch, heads, length, length]. */
  attnMask?: tf.Tensor | undefined;
  /** Share of the probabilities dropped; 0 in evaluation. */
  dropoutP: number;
}

/** [batch, length, width] to the same: what each head attends to, side by side. */
export function selfAttention(hidden: tf.Tensor, options: SelfAttentionOptions): tf.Tensor {
  const { query, key, value, numHeads, attnMask, dropoutP } = options;
  const weights = [query.weight, key.weight, value.weight] as const;
  const biases = [query.bias!, key.bias!, value.bias!] as const;
  const [q, k, v] = projections(hidden, weights, biases).map((projected) => toHeads(projected, numHeads));
  return fromHeads(scaledDotProductAttention(q!, k!, v!, { attnMask: attnMask ?? null, dropoutP }));
}

/** [batch, length, width] to [batch, heads, length, width / heads]. */
export function toHeads(x: tf.Tensor, numHeads: number): tf.Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, length, numHeads, width / numHeads]), [0, 2, 1, 3]);
}

/** The way back from `toHeads`. */
export function fromHeads(x: tf.Tensor): tf.Tensor {
  const [batch, heads, length, width] = x.shape as [number, number, number, number];
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, length, heads * width]);
}

/** 0 for keys that count, -∞ for padding: [batch, length] to [batch, 1, 1, length]. */
export function visibleKeys(attentionMask: tf.Tensor): tf.Tensor {
  const [batch, length] = attentionMask.shape as [number, number];
  const counts = tf.reshape(tf.cast(attentionMask, "bool"), [batch, 1, 1, length]);
  return tf.where(counts, tf.zeros(counts.shape), tf.fill(counts.shape, -Infinity));
}

/** @throws ConfigurationError `ERR_HEADS` where the heads do not divide the width */
export function checkHeads(name: string, width: number, numHeads: number): void {
  if (width % numHeads === 0) return;
  throw new ConfigurationError(
    "ERR_HEADS",
    `${name} cannot cut a hiddenSize of ${width} into ${numHeads} equal heads. Choose heads that divide it.`,
  );
}
