/** The conformer's self-attention, with relative, rotary or no positions of its own. */
import * as tf from "@tensorflow/tfjs-core";
import {
  init,
  type Linear,
  Linear as LinearLayer,
  linear,
  Module,
  Parameter,
  scaledDotProductAttention,
} from "../nn/index.js";
import { fromHeads, toHeads } from "./self_attention.js";
import { normalLinear } from "./text_parts.js";

/** How frames know of each other's places. */
export type ConformerPositions = "relative" | "rotary" | "none";

/** What `ConformerAttention` is made of. */
export interface ConformerAttentionOptions {
  hiddenSize: number;
  numAttentionHeads: number;
  attentionDropout: number;
  positionEmbeddingsType: ConformerPositions;
  rotaryEmbeddingBase: number;
  initializerRange: number;
}

/** Normalised frames, and which of them are seen. */
export interface AttendedFrames {
  /** [batch, frames, hiddenSize] */
  hidden: tf.Tensor;
  /** Added to the attention scores, [batch, 1, 1, frames]. */
  seen: tf.Tensor | undefined;
}

/**
 * [batch, frames, hiddenSize] to the same. `relative`: Dai et al., 2019, https://arxiv.org/abs/1901.02860; `rotary`: Su et
 * al., 2021, https://arxiv.org/abs/2104.09864, applied before the projections as in the published models.
 */
export class ConformerAttention extends Module<AttendedFrames, tf.Tensor> {
  readonly posBiasU: Parameter | undefined;
  readonly posBiasV: Parameter | undefined;
  readonly linearQ: Linear;
  readonly linearK: Linear;
  readonly linearV: Linear;
  readonly linearOut: Linear;
  readonly linearPos: Linear | undefined;
  readonly #options: ConformerAttentionOptions;

  constructor(options: ConformerAttentionOptions) {
    super();
    const { hiddenSize, numAttentionHeads, initializerRange } = options;
    const project = (): Linear => normalLinear(hiddenSize, hiddenSize, initializerRange);
    this.#options = options;
    this.linearQ = project();
    this.linearK = project();
    this.linearV = project();
    this.linearOut = project();
    if (options.positionEmbeddingsType === "relative") {
      const bias = (): Parameter =>
        new Parameter(init.xavierUniform([numAttentionHeads, hiddenSize / numAttentionHeads]));
      this.posBiasU = bias();
      this.posBiasV = bias();
      this.linearPos = new LinearLayer(hiddenSize, hiddenSize, { bias: false });
    }
  }

  override forward({ hidden, seen }: AttendedFrames): tf.Tensor {
    const { numAttentionHeads, attentionDropout, positionEmbeddingsType, rotaryEmbeddingBase } =
      this.#options;
    const rotated =
      positionEmbeddingsType === "rotary" ? rotate(hidden, numAttentionHeads, rotaryEmbeddingBase) : hidden;
    const heads = [
      this.linearQ.forward(rotated),
      this.linearK.forward(rotated),
      this.linearV.forward(hidden),
    ];
    const [query, key, value] = heads.map((x) => toHeads(x, numAttentionHeads)) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const options = { dropoutP: this.training ? attentionDropout : 0 };
    if (positionEmbeddingsType !== "relative") {
      const attended = scaledDotProductAttention(query, key, value, { ...options, attnMask: seen ?? null });
      return this.linearOut.forward(fromHeads(attended));
    }
    const positions = this.#positionScores(query);
    const attnMask = seen === undefined ? positions : tf.add(positions, seen);
    const biased = tf.add(query, perHead(this.posBiasU!));
    return this.linearOut.forward(
      fromHeads(scaledDotProductAttention(biased, key, value, { ...options, attnMask })),
    );
  }

  /** What each frame thinks of each distance, at the place of the key that lies there: [batch, heads, frames, frames]. */
  #positionScores(query: tf.Tensor): tf.Tensor {
    const { hiddenSize } = this.#options;
    const [batch, heads, frames, width] = query.shape as [number, number, number, number];
    const distances = 2 * frames - 1;
    const { data, shape } = init.sinusoids([distances, hiddenSize], { first: frames - 1, step: -1 });
    const table = linear(tf.tensor(data, [...shape]), this.linearPos!.weight);
    const keys = tf.transpose(tf.reshape(table, [distances, heads, width]), [1, 2, 0]);
    const biased = tf.mul(tf.add(query, perHead(this.posBiasV!)), 1 / Math.sqrt(width));
    // One product for each head: the batch is part of its rows.
    const rows = tf.reshape(tf.transpose(biased, [1, 0, 2, 3]), [heads, batch * frames, width]);
    const scores = tf.reshape(tf.matMul(rows, keys), [heads, batch, frames, distances]);
    return shiftToKeys(tf.transpose(scores, [1, 0, 2, 3]));
  }
}

/** [heads, width] as one row for all frames of a batch. */
function perHead(bias: Parameter): tf.Tensor {
  const [heads, width] = bias.shape as [number, number];
  return tf.reshape(bias, [1, heads, 1, width]);
}

/** From columns by distance, frames - 1 to -(frames - 1), to columns by key: appendix B of Dai et al. */
function shiftToKeys(scores: tf.Tensor): tf.Tensor {
  const [batch, heads, frames, distances] = scores.shape as [number, number, number, number];
  const padded = tf.pad(scores, [
    [0, 0],
    [0, 0],
    [0, 0],
    [1, 0],
  ]);
  const skewed = tf.reshape(padded, [batch, heads, distances + 1, frames]);
  const shifted = tf.reshape(tf.slice(skewed, [0, 0, 1, 0], [-1, -1, -1, -1]), [
    batch,
    heads,
    frames,
    distances,
  ]);
  return tf.slice(shifted, [0, 0, 0, 0], [-1, -1, -1, frames]);
}

/** Turns the halves of each head against each other by angles that grow from frame to frame. */
function rotate(hidden: tf.Tensor, heads: number, base: number): tf.Tensor {
  const [batch, frames, hiddenSize] = hidden.shape as [number, number, number];
  const width = hiddenSize / heads;
  const angles = Float32Array.from({ length: frames * width }, (_, i) => {
    const [frame, column] = [Math.floor(i / width), i % (width / 2)];
    return frame / base ** ((2 * column) / width);
  });
  const shape = [1, frames, 1, width];
  const split = tf.reshape(hidden, [batch, frames, heads, width]);
  const [begin, end] = tf.split(split, 2, 3) as [tf.Tensor, tf.Tensor];
  const turned = tf.concat([tf.neg(end), begin], 3);
  const [cos, sin] = [Math.cos, Math.sin].map((f) => tf.tensor(angles.map(f), shape)) as [
    tf.Tensor,
    tf.Tensor,
  ];
  return tf.reshape(tf.add(tf.mul(split, cos), tf.mul(turned, sin)), hidden.shape);
}
