/** MultiheadAttention: attention in several heads with projections around it. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { additiveMask, scaledDotProductAttention } from "../functional/attention.js";
import { linear, projections } from "../functional/linear.js";
import { xavierUniform, zeros } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { checkFeatures } from "../shape_checks.js";
import { Linear } from "./linear.js";

/** Options of `MultiheadAttention`. */
export interface MultiheadAttentionOptions {
  /** Share of the attention probabilities that are dropped in training. Default: 0. */
  dropout?: number;
  /** Whether the projections have biases. Default: true. */
  bias?: boolean;
  /** Whether inputs are [batch, sequence, embedDim] rather than [sequence, batch, embedDim]. Default: false. */
  batchFirst?: boolean;
}

/** Which places attention leaves out. */
export interface AttentionMasks {
  /** bool [batch, keys]: true for keys that are padding and are not seen. float32: added to the scaled products. */
  keyPaddingMask?: tf.Tensor | null;
  /**
   * [queries, keys] or [batch · heads, queries, keys]. bool: true where a query must not see a key, the opposite of
   * `scaledDotProductAttention`, as in PyTorch. float32: added to the scaled products.
   */
  attnMask?: tf.Tensor | null;
  /** Whether query i sees keys 0 to i only. Default: false. */
  isCausal?: boolean;
}

type Three = [tf.Tensor, tf.Tensor, tf.Tensor];

/**
 * Vaswani et al., "Attention is all you need" (2017), with PyTorch's parameters. It gives the output alone, not the
 * attention weights.
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly dropout: number;
  readonly batchFirst: boolean;
  /** [3 · embedDim, embedDim]: of queries, keys and values */
  readonly inProjWeight: Parameter;
  /** [3 · embedDim] */
  readonly inProjBias: Parameter | null;
  readonly outProj: Linear;

  /** @throws ConfigurationError `ERR_HEADS` if the heads do not divide the width */
  constructor(
    embedDim: number,
    numHeads: number,
    { dropout = 0, bias = true, batchFirst = false }: MultiheadAttentionOptions = {},
  ) {
    super();
    if (embedDim % numHeads !== 0) {
      throw new ConfigurationError(
        "ERR_HEADS",
        `MultiheadAttention cannot cut a width of ${embedDim} into ${numHeads} equal heads. Choose heads that divide it.`,
      );
    }
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = dropout;
    this.batchFirst = batchFirst;
    this.inProjWeight = new Parameter(xavierUniform([3 * embedDim, embedDim]));
    this.inProjBias = bias ? new Parameter(zeros([3 * embedDim])) : null;
    this.outProj = new Linear(embedDim, embedDim, { bias });
    this.outProj.bias?.assign(tf.zeros([embedDim]));
  }

  /**
   * @param query [queries, batch, embedDim], or batch first
   * @param key [keys, batch, embedDim]. Default: the query.
   * @param value [keys, batch, embedDim]. Default: the key.
   * @returns shaped as the query
   */
  forward(
    query: tf.Tensor,
    key: tf.Tensor = query,
    value: tf.Tensor = key,
    { keyPaddingMask, attnMask, isCausal = false }: AttentionMasks = {},
  ): tf.Tensor {
    for (const input of [query, key, value]) checkFeatures("MultiheadAttention", input, this.embedDim);
    const weights = tf.split(this.inProjWeight, 3, 0) as Three;
    const biases = this.inProjBias === null ? null : (tf.split(this.inProjBias, 3, 0) as Three);
    const projected =
      query === key && key === value
        ? projections(query, weights, biases)
        : [query, key, value].map((input, i) => linear(input, weights[i]!, biases?.[i]));
    const [q, k, v] = projected.map((input) => this.#toHeads(input)) as Three;
    const attended = scaledDotProductAttention(q, k, v, {
      attnMask: mergeMasks(keyPaddingMask, attnMask, q.shape),
      dropoutP: this.training ? this.dropout : 0,
      isCausal,
    });
    return this.outProj.forward(this.#fromHeads(attended, query.shape));
  }

  /** To [batch, heads, sequence, width]. */
  #toHeads(input: tf.Tensor): tf.Tensor {
    const [first, second] = input.shape as [number, number];
    const heads = tf.reshape(input, [first, second, this.numHeads, this.embedDim / this.numHeads]);
    return tf.transpose(heads, this.batchFirst ? [0, 2, 1, 3] : [1, 2, 0, 3]);
  }

  #fromHeads(heads: tf.Tensor, shape: number[]): tf.Tensor {
    return tf.reshape(tf.transpose(heads, this.batchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3]), shape);
  }
}

/** Both masks as one that is added to the products of shape [batch, heads, queries, keys]. */
function mergeMasks(
  keyPaddingMask: tf.Tensor | null | undefined,
  attnMask: tf.Tensor | null | undefined,
  [batch, heads]: number[],
): tf.Tensor | undefined {
  const padding =
    keyPaddingMask == null
      ? undefined
      : tf.reshape(hiding(keyPaddingMask), [batch!, 1, 1, keyPaddingMask.shape[1]!]);
  let mask = attnMask == null ? undefined : hiding(attnMask);
  if (mask?.rank === 3) mask = tf.reshape(mask, [batch!, heads!, ...mask.shape.slice(1)]);
  if (mask === undefined || padding === undefined) return mask ?? padding;
  return tf.add(mask, padding);
}

/** The mask as a summand; bool ones say what is hidden. */
function hiding(mask: tf.Tensor): tf.Tensor {
  return mask.dtype === "bool" ? additiveMask(tf.logicalNot(mask)) : mask;
}
