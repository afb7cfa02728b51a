/** Attention over several heads, and embeddings of positions by rotation. */
import * as tf from "@tensorflow/tfjs-core";
import { additiveMask, scaledDotProductAttention } from "../../nn/functional/attention.js";
import type { OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import {
  asInt,
  floatAt,
  floats,
  integers,
  optionalTensor,
  range,
  type Inputs,
  type OperatorTable,
} from "./operator.js";

export const attention: OperatorTable = {
  Attention: {
    since: 23,
    gradient: true,
    notes: "Without nonpad_kv_seqlen.",
    run: standardAttention,
  },
  RotaryEmbedding: {
    since: 23,
    gradient: true,
    run: (inputs, context) => {
      const [x, positions] = [floatAt(inputs, 0), optionalTensor(inputs, 3)];
      const [cosines, sines] = [floatAt(inputs, 1), floatAt(inputs, 2)];
      return [rotary(x, cosines, sines, positions, context)];
    },
  },
};

/** Scores that are added to products of queries and keys, and how they are scaled. */
export interface HeadOptions {
  /** Added to the scores; broadcasts to [batch, heads, queries, keys]. bool: true where a query sees a key. */
  mask?: tf.Tensor | undefined;
  /** Whether a query sees no later keys. With more keys than queries the last of both belong together. */
  causal: boolean;
  /** Default: 1 / √width. */
  scale?: number | undefined;
}

/**
 * Attention of heads.
 *
 * @param query [batch, heads, queries, width]
 * @param key [batch, heads or a divisor of it, keys, width]
 * @param value [batch, as key, keys, width of values]
 */
export function attend(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  { mask, causal, scale }: HeadOptions,
): tf.Tensor {
  const heads = query.shape[1]!;
  const [k, v] = [repeatHeads(key, heads), repeatHeads(value, heads)];
  const [queries, keys] = [query.shape[2]!, k.shape[2]!];
  const options = scale === undefined ? {} : { scale };
  if (causal && mask === undefined && queries === keys) {
    return scaledDotProductAttention(query, k, v, { ...options, isCausal: true });
  }
  let added = mask === undefined ? undefined : additiveMask(mask);
  if (causal) {
    const hidden = range(queries).flatMap((i) =>
      range(keys).map((j) => (j > i + keys - queries ? -Infinity : 0)),
    );
    const triangle = floats(hidden, [queries, keys]);
    added = added === undefined ? triangle : tf.add(added, triangle);
  }
  return scaledDotProductAttention(query, k, v, { ...options, attnMask: added ?? null });
}

function repeatHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, own, length, width] = x.shape as [number, number, number, number];
  if (own === heads) return x;
  const copies = tf.tile(tf.expandDims(x, 2), [1, 1, heads / own, 1, 1]);
  return tf.reshape(copies, [batch, heads, length, width]);
}

/** [batch, length, heads · width] as [batch, heads, length, width]. */
export function splitHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** The opposite of `splitHeads`. */
export function joinHeads(x: tf.Tensor): tf.Tensor {
  const [batch, heads, length, width] = x.shape as [number, number, number, number];
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, length, heads * width]);
}

function standardAttention(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  if (inputs[6] !== undefined) throw context.unsupported("it has nonpad_kv_seqlen");
  const [q, k, v] = [0, 1, 2].map((i) => floatAt(inputs, i)) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const isFlat = q.rank === 3;
  const keyHeads = (): number => context.int("kv_num_heads");
  const query = isFlat ? splitHeads(q, context.int("q_num_heads")) : q;
  const past = [optionalTensor(inputs, 4), optionalTensor(inputs, 5)];
  const [key, value] = [k, v].map((each, i) => {
    const own = isFlat ? splitHeads(each, keyHeads()) : each;
    return past[i] === undefined ? own : tf.concat([past[i], own], 2);
  }) as [tf.Tensor, tf.Tensor];
  const mask = optionalTensor(inputs, 3);
  const causal = context.int("is_causal", 0) !== 0;
  const scale = context.has("scale") ? context.float("scale") : undefined;
  const softcap = context.float("softcap", 0);
  if (softcap === 0 && !context.wants(3)) {
    const y = attend(query, key, value, { mask, causal, scale });
    return [isFlat ? joinHeads(y) : y, key, value];
  }
  const [y, scores] = spelledOut(query, key, value, { mask, causal, scale }, softcap, context);
  return [isFlat ? joinHeads(y) : y, key, value, scores];
}

/** Attention with its scores, at the stage that the node gives them. */
function spelledOut(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  { mask, causal, scale = 1 / Math.sqrt(query.shape.at(-1)!) }: HeadOptions,
  softcap: number,
  context: OperatorContext,
): [tf.Tensor, tf.Tensor] {
  const heads = query.shape[1]!;
  const products = tf.mul(tf.matMul(query, repeatHeads(key, heads), false, true), scale);
  const [queries, keys] = products.shape.slice(2) as [number, number];
  let masked = mask === undefined ? products : tf.add(products, additiveMask(mask));
  if (causal) {
    const hidden = range(queries).flatMap((i) =>
      range(keys).map((j) => (j > i + keys - queries ? -Infinity : 0)),
    );
    masked = tf.add(masked, floats(hidden, [queries, keys]));
  }
  const capped = softcap === 0 ? masked : tf.mul(tf.tanh(tf.div(masked, softcap)), softcap);
  const probabilities = tf.softmax(capped);
  const stages = [products, masked, capped, probabilities];
  const y = tf.matMul(probabilities, repeatHeads(value, heads));
  return [y, stages[context.int("qk_matmul_output_mode", 0)]!];
}

/**
 * Turns pairs of elements by angles that depend on the position (Su et al., "RoFormer", 2021).
 *
 * @param x [batch, heads, length, width] or [batch, length, heads · width]
 * @param cosines [positions, half the turned width], or with the positions' rows chosen already [batch, length, …]
 * @param positions [batch, length], or one number from which on they count
 */
export function rotary(
  x: tf.Tensor,
  cosines: tf.Tensor,
  sines: tf.Tensor,
  positions: tf.Tensor | undefined,
  context: OperatorContext,
): tf.Tensor {
  const isFlat = x.rank === 3;
  const heads = context.int("num_heads", 0);
  const half = cosines.shape.at(-1)!;
  const given = context.int("rotary_embedding_dim", 0);
  const headCount = isFlat ? (heads > 0 ? heads : x.shape[2]! / (given > 0 ? given : 2 * half)) : x.shape[1]!;
  const apart = isFlat ? splitHeads(x, headCount) : x;
  const [batch, , length, width] = apart.shape as [number, number, number, number];
  const turned = given > 0 ? given : width;
  const [cos, sin] = [cosines, sines].map((table) =>
    tf.expandDims(rowsOf(table, positions, batch, length), 1),
  ) as [tf.Tensor, tf.Tensor];
  const part = turned === width ? apart : tf.slice(apart, [0, 0, 0, 0], [-1, -1, -1, turned]);
  const isInterleaved = context.int("interleaved", 0) !== 0;
  const pairs = isInterleaved
    ? tf.unstack(tf.reshape(part, [...part.shape.slice(0, 3), turned / 2, 2]), 4)
    : tf.split(part, 2, 3);
  const [first, second] = pairs as [tf.Tensor, tf.Tensor];
  const results = [
    tf.sub(tf.mul(first, cos), tf.mul(second, sin)),
    tf.add(tf.mul(second, cos), tf.mul(first, sin)),
  ];
  let y = isInterleaved ? tf.reshape(tf.stack(results, 4), part.shape) : tf.concat(results, 3);
  if (turned < width) {
    y = tf.concat([y, tf.slice(apart, [0, 0, 0, turned], [-1, -1, -1, width - turned])], 3);
  }
  return isFlat ? joinHeads(y) : y;
}

/** [batch or 1, length, half] */
function rowsOf(
  table: tf.Tensor,
  positions: tf.Tensor | undefined,
  batch: number,
  length: number,
): tf.Tensor {
  if (positions === undefined) return table.rank === 3 ? table : tf.expandDims(tf.slice(table, 0, length), 0);
  const places =
    positions.size === 1 && batch * length > 1
      ? tf.add(tf.reshape(asInt(positions), [1, 1]), integers(range(length), [1, length]))
      : asInt(positions);
  return tf.gather(table, places);
}
