/** Scaled dot-product attention (Vaswani et al., 2017). */
import * as tf from "@tensorflow/tfjs-core";
import { fusedAttention } from "../../engine/fused/attention.js";
import { ConfigurationError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";
import { dropoutFactors } from "./dropout.js";

/** Options of `scaledDotProductAttention`. */
export interface AttentionOptions {
  /**
   * Broadcast to […, queries, keys]. bool: true where a query sees a key. float32: added to the scaled products.
   * A query that sees no key gives NaN. Default: none.
   */
  attnMask?: tf.Tensor | null;
  /** Share of the probabilities that are dropped. Applied whenever it is above 0: pass 0 in evaluation. Default: 0. */
  dropoutP?: number;
  /** Whether query i sees keys 0 to i only. Not together with `attnMask`. Default: false. */
  isCausal?: boolean;
  /** Factor of the products. Default: 1 / √width. */
  scale?: number;
}

/**
 * softmax(scale · query · keyᵀ + mask) · value, with PyTorch's names and meaning.
 *
 * @param query […, queries, width]
 * @param key […, keys, width]
 * @param value […, keys, valueWidth]; the leading axes of all three are the same
 * @returns […, queries, valueWidth]
 * @throws ConfigurationError `ERR_SHAPE` where the three do not fit, `ERR_ATTENTION_MASK` for a mask that does not fit, or
 * two at once
 */
export function scaledDotProductAttention(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  { attnMask, dropoutP = 0, isCausal = false, scale }: AttentionOptions = {},
): tf.Tensor {
  checkShapes(query, key, value);
  const scores = [...query.shape.slice(0, -1), key.shape.at(-2)!];
  checkMask(attnMask, scores, isCausal);
  return fusedAttention(query, key, value, {
    scale: scale ?? 1 / Math.sqrt(query.shape.at(-1)!),
    mask: attnMask == null ? undefined : additiveMask(attnMask),
    causal: isCausal,
    dropout: dropoutP > 0 ? dropoutFactors(scores, dropoutP) : undefined,
  });
}

/** 0 where true and -∞ where false; a float mask is one already. */
export function additiveMask(mask: tf.Tensor): tf.Tensor {
  if (mask.dtype !== "bool") return mask;
  return tf.where(mask, tf.zeros(mask.shape), tf.fill(mask.shape, -Infinity));
}

function checkShapes(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor): void {
  const leading = [query, key, value].map(({ shape }) => shape.slice(0, -2).join());
  const fits =
    query.rank >= 2 &&
    leading.every((axes) => axes === leading[0]) &&
    query.shape.at(-1) === key.shape.at(-1) &&
    key.shape.at(-2) === value.shape.at(-2);
  if (fits) return;
  throw new ConfigurationError(
    "ERR_SHAPE",
    "scaledDotProductAttention takes query […, queries, width], key […, keys, width] and value […, keys, valueWidth], " +
      `not ${[query, key, value].map(({ shape }) => formatShape(shape)).join(", ")}. Broadcast the leading axes first.`,
  );
}

function checkMask(mask: tf.Tensor | null | undefined, scores: number[], isCausal: boolean): void {
  if (mask == null) return;
  if (isCausal) {
    throw new ConfigurationError(
      "ERR_ATTENTION_MASK",
      "scaledDotProductAttention takes attnMask or isCausal, not both. Put the causal part into the mask.",
    );
  }
  const offset = scores.length - mask.rank;
  const fits = offset >= 0 && mask.shape.every((n, axis) => n === 1 || n === scores[axis + offset]);
  if (fits && (mask.dtype === "bool" || mask.dtype === "float32")) return;
  throw new ConfigurationError(
    "ERR_ATTENTION_MASK",
    `scaledDotProductAttention takes a bool or float32 mask that broadcasts to ${formatShape(scores)}, ` +
      `not ${mask.dtype} ${formatShape(mask.shape)}. Cast or reshape it.`,
  );
}
