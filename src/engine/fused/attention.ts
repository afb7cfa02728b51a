/** Scaled dot-product attention: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused, runFusedAll } from "./fused.js";

export interface FusedAttentionOptions {
  /** Factor of the products of queries and keys. */
  scale: number;
  /** Added to the scores, broadcast to […, queries, keys]. */
  mask?: tf.Tensor | undefined;
  /** Whether query i sees keys 0 to i only. */
  causal: boolean;
  /** Factors of the probabilities, shaped as them: dropout. No gradient flows into it. */
  dropout?: tf.Tensor | undefined;
}

/**
 * (softmax(scale · query · keyᵀ + mask) · dropout) value
 *
 * @param query […, queries, width]
 * @param key […, keys, width]
 * @param value […, keys, valueWidth]; the leading axes of all three are the same
 * @returns […, queries, valueWidth]
 */
export function fusedAttention(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  { scale, mask, causal, dropout }: FusedAttentionOptions,
): tf.Tensor {
  if (canFuse(query, key, value, mask, dropout)) {
    const maskShape = mask?.shape ?? [];
    return runFused("Attention", { query, key, value, mask, dropout }, { scale, causal, maskShape });
  }
  let scores = tf.mul(tf.matMul(query, key, false, true), scale);
  if (mask !== undefined) scores = tf.add(scores, mask);
  if (causal) scores = tf.add(scores, causalMask(query.shape.at(-2)!, key.shape.at(-2)!));
  const probabilities = tf.softmax(scores);
  return tf.matMul(dropout === undefined ? probabilities : tf.mul(probabilities, dropout), value);
}

/** 0 where query i sees key j, which is where j ≤ i; -∞ elsewhere. */
function causalMask(queries: number, keys: number): tf.Tensor2D {
  const rows = tf.expandDims(tf.range(0, queries, 1, "int32"), 1);
  const visible = tf.lessEqual(tf.range(0, keys, 1, "int32"), rows);
  return tf.where(visible, tf.zeros([queries, keys]), tf.fill([queries, keys], -Infinity));
}

tf.registerGradient({
  kernelName: "Attention",
  inputsToSave: ["query", "key", "value"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attributes) => {
    const [query, key, value, y] = saved;
    const inputs = { dy: dy as tf.Tensor, query, key, value, y };
    const [dquery, dkey, dvalue, dscores] = runFusedAll("AttentionGrad", inputs, attributes);
    const { maskShape } = attributes as unknown as { maskShape: number[] };
    return {
      query: () => dquery!,
      key: () => dkey!,
      value: () => dvalue!,
      mask: () => sumToShape(dscores!, maskShape),
    };
  },
});

/** Adds up what broadcasting had repeated. */
function sumToShape(x: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, x.shape);
  return tf.reshape(axes.length === 0 ? x : tf.sum(x, axes), shape);
}
