/** Operators of the domain com.microsoft, which ONNX Runtime's optimizers put in the place of several others. */
import * as tf from "@tensorflow/tfjs-core";
import { embedding } from "../../nn/functional/embedding.js";
import { gelu } from "../../nn/functional/activations.js";
import type { OnnxValue } from "../values.js";
import { elu, swish } from "./activation.js";
import { attend, joinHeads, rotary, splitHeads } from "./attention.js";
import type { OperatorContext } from "./context.js";
import { convolve, withBias } from "./convolution.js";
import { gemm, matMul } from "./matrix.js";
import { layerNormalization, rmsNormalization } from "./normalization.js";
import {
  asFloat,
  asInt,
  floatAt,
  integers,
  moveAxis,
  optionalTensor,
  range,
  tensorAt,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";

const simplifiedNorm: OperatorDefinition = {
  since: 1,
  gradient: true,
  run: (inputs, context) => {
    const x = floatAt(inputs, 0);
    const axis = context.int("axis", -1);
    return [
      rmsNormalization(
        x,
        axis < 0 ? axis + x.rank : axis,
        context.float("epsilon", 1e-5),
        floatAt(inputs, 1),
      ),
    ];
  },
};

export const microsoft: OperatorTable = {
  SimplifiedLayerNormalization: simplifiedNorm,
  ...inDomain({
    SimplifiedLayerNormalization: simplifiedNorm,
    Gelu: trained((inputs) => [gelu(floatAt(inputs, 0))]),
    FastGelu: trained((inputs) => [gelu(biased(inputs), { approximate: "tanh" })]),
    BiasGelu: trained((inputs) => [gelu(biased(inputs))]),
    QuickGelu: trained((inputs, context) => [swish(floatAt(inputs, 0), context.float("alpha", 1.702))]),
    SkipLayerNormalization: trained((inputs, context) => {
      const sum = skipSum(inputs, 4);
      const y = layerNormalization(
        sum,
        sum.rank - 1,
        context.float("epsilon", 1e-12),
        floatAt(inputs, 2),
        optionalTensor(inputs, 3),
      );
      return [y, ...statisticsOf(sum, context), sum];
    }),
    SkipSimplifiedLayerNormalization: trained((inputs, context) => {
      const sum = skipSum(inputs, 3);
      const y = rmsNormalization(sum, sum.rank - 1, context.float("epsilon", 1e-5), floatAt(inputs, 2));
      return [y, ...statisticsOf(sum, context), sum];
    }),
    EmbedLayerNormalization: trained(embedLayerNormalization),
    Attention: {
      since: 1,
      gradient: true,
      notes: "Without rotary embeddings.",
      run: packedAttention,
    },
    MultiHeadAttention: { since: 1, gradient: true, run: multiHeadAttention },
    RotaryEmbedding: trained((inputs, context) => {
      const positions = asInt(tensorAt(inputs, 1));
      return [rotary(floatAt(inputs, 0), floatAt(inputs, 2), floatAt(inputs, 3), positions, context)];
    }),
    FusedMatMul: trained(fusedMatMul),
    TransposeMatMul: trained(fusedMatMul),
    FusedGemm: trained((inputs, context) => [activated(gemm(inputs, context), context)]),
    FusedConv: trained((inputs, context) => {
      const y = withBias(convolve(floatAt(inputs, 0), floatAt(inputs, 1), context), inputs, 2);
      return [activated(inputs[3] === undefined ? y : tf.add(y, floatAt(inputs, 3)), context)];
    }),
  }),
};

function inDomain(table: OperatorTable): OperatorTable {
  return Object.fromEntries(
    Object.entries(table).map(([name, definition]) => [`com.microsoft:${name}`, definition]),
  );
}

function trained(run: OperatorDefinition["run"]): OperatorDefinition {
  return { since: 1, gradient: true, run };
}

/** The first input, with the second where it is there. */
function biased(inputs: Inputs): tf.Tensor {
  const x = floatAt(inputs, 0);
  return inputs[1] === undefined ? x : tf.add(x, floatAt(inputs, 1));
}

/** The first two inputs, and the bias at a position where it is there. */
function skipSum(inputs: Inputs, bias: number): tf.Tensor {
  const sum = biased(inputs);
  return inputs[bias] === undefined ? sum : tf.add(sum, floatAt(inputs, bias));
}

/** Mean and reciprocal deviation, which only ONNX Runtime's training asks for. */
function statisticsOf(x: tf.Tensor, context: OperatorContext): tf.Tensor[] {
  if (!context.wants(1) && !context.wants(2)) return [x, x];
  throw context.unsupported("its statistics are used");
}

function embedLayerNormalization(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const ids = asInt(tensorAt(inputs, 0));
  const [batch, length] = ids.shape as [number, number];
  const table = (position: number): tf.Tensor2D => floatAt(inputs, position) as tf.Tensor2D;
  const positions =
    inputs[8] === undefined ? tf.slice(table(3), 0, length) : embedding(asInt(tensorAt(inputs, 8)), table(3));
  let sum = tf.add(embedding(ids, table(2)), positions);
  if (inputs[1] !== undefined && inputs[4] !== undefined) {
    sum = tf.add(sum, embedding(asInt(tensorAt(inputs, 1)), table(4)));
  }
  const y = layerNormalization(
    sum,
    2,
    context.float("epsilon", 1e-12),
    floatAt(inputs, 5),
    floatAt(inputs, 6),
  );
  const mask = optionalTensor(inputs, 7);
  const kept = mask === undefined ? tf.zeros([batch], "int32") : tf.sum(asInt(mask), 1);
  return [y, kept, sum];
}

/** The mask that is added to scores [batch, heads, queries, keys]. */
function scoreMask(
  mask: tf.Tensor | undefined,
  keys: number,
  context: OperatorContext,
): tf.Tensor | undefined {
  if (mask === undefined) return undefined;
  let seen: tf.Tensor;
  if (mask.rank === 1) {
    // How many keys each sequence has.
    const lengths = tf.expandDims(asInt(mask), 1);
    seen = tf.cast(tf.less(integers(range(keys), [1, keys]), lengths), "float32");
  } else seen = asFloat(mask);
  const shape = seen.rank === 2 ? [seen.shape[0], 1, 1, keys] : [seen.shape[0], 1, ...seen.shape.slice(-2)];
  const filter = context.float("mask_filter_value", -10_000);
  return tf.mul(tf.sub(1, tf.reshape(seen, shape)), filter);
}

function withScores(mask: tf.Tensor | undefined, scores: tf.Tensor | undefined): tf.Tensor | undefined {
  return mask !== undefined && scores !== undefined ? tf.add(mask, scores) : (mask ?? scores);
}

/** Queries, keys and values in one product; keys and values before these in one array [2, batch, heads, length, width]. */
function packedAttention(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  if (context.int("do_rotary", 0) !== 0) throw context.unsupported("it has rotary embeddings");
  const heads = context.int("num_heads");
  const weight = floatAt(inputs, 1);
  const product = matMul(floatAt(inputs, 0), weight);
  const packed = inputs[2] === undefined ? product : tf.add(product, floatAt(inputs, 2));
  const sizes = context.has("qkv_hidden_sizes")
    ? context.ints("qkv_hidden_sizes")
    : range(3).map(() => weight.shape[1]! / 3);
  const [query, ownKey, ownValue] = tf.split(packed, sizes, 2).map((part) => splitHeads(part, heads)) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const past = optionalTensor(inputs, 4);
  const [pastKey, pastValue] = past === undefined ? [] : tf.unstack(past, 0);
  const key = pastKey === undefined ? ownKey : tf.concat([pastKey, ownKey], 2);
  const value = pastValue === undefined ? ownValue : tf.concat([pastValue, ownValue], 2);
  const mask = withScores(
    scoreMask(optionalTensor(inputs, 3), key.shape[2]!, context),
    optionalTensor(inputs, 5),
  );
  const y = attend(query, key, value, {
    mask,
    causal: context.int("unidirectional", 0) !== 0,
    scale: scaleOf(context),
  });
  return [joinHeads(y), ...(context.wants(1) ? [tf.stack([key, value])] : [])];
}

/** 0 stands for the default. */
function scaleOf(context: OperatorContext): number | undefined {
  const scale = context.float("scale", 0);
  return scale === 0 ? undefined : scale;
}

function multiHeadAttention(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const heads = context.int("num_heads");
  let [query, key, value] = unpacked(inputs);
  const bias = optionalTensor(inputs, 3);
  if (bias !== undefined) {
    const [forQuery, forKey, forValue] = tf.split(bias, [
      query.shape[2]!,
      query.shape[2]!,
      bias.size - 2 * query.shape[2]!,
    ]) as [tf.Tensor, tf.Tensor, tf.Tensor];
    query = tf.add(query, forQuery);
    if (key.rank === 3) [key, value] = [tf.add(key, forKey), tf.add(value, forValue)];
  }
  const apart = (x: tf.Tensor): tf.Tensor => (x.rank === 3 ? splitHeads(x, heads) : x);
  const past = [optionalTensor(inputs, 6), optionalTensor(inputs, 7)];
  const [keys, values] = [key, value].map((x, i) =>
    past[i] === undefined ? apart(x) : tf.concat([past[i], apart(x)], 2),
  ) as [tf.Tensor, tf.Tensor];
  const mask = withScores(
    scoreMask(optionalTensor(inputs, 4), keys.shape[2]!, context),
    optionalTensor(inputs, 5),
  );
  const y = attend(apart(query), keys, values, {
    mask,
    causal: context.int("unidirectional", 0) !== 0,
    scale: scaleOf(context),
  });
  return [joinHeads(y), keys, values];
}

/** Queries, keys and values [batch, length, heads · width], also where they come in one array. */
function unpacked(inputs: Inputs): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const first = floatAt(inputs, 0);
  const flat = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [x.shape[0], x.shape[1]!, -1]);
  if (first.rank === 5) {
    return tf.unstack(first, 3).map(flat) as [tf.Tensor, tf.Tensor, tf.Tensor];
  }
  const second = floatAt(inputs, 1);
  if (second.rank === 5) {
    const [key, value] = tf.unstack(second, 3) as [tf.Tensor, tf.Tensor];
    return [first, flat(key), flat(value)];
  }
  return [first, second, floatAt(inputs, 2)];
}

function fusedMatMul(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const arranged = (x: tf.Tensor, transposes: string, movesBatch: string): tf.Tensor => {
    const inPlace = context.int(movesBatch, 0) === 0 ? x : moveAxis(x, 0, x.rank - 2);
    return context.int(transposes, 0) === 0 ? inPlace : moveAxis(inPlace, x.rank - 1, x.rank - 2);
  };
  const a = arranged(floatAt(inputs, 0), "transA", "transBatchA");
  const b = arranged(floatAt(inputs, 1), "transB", "transBatchB");
  const alpha = context.float("alpha", 1);
  return [alpha === 1 ? matMul(a, b) : tf.mul(matMul(a, b), alpha)];
}

/** The activation that a node has fused. */
function activated(x: tf.Tensor, context: OperatorContext): tf.Tensor {
  const name = context.string("activation", "");
  const fixed = context.has("activation_params") ? context.floats("activation_params") : [];
  const parameter = (i: number, attribute: string, fallback: number): number =>
    fixed[i] ?? context.float(attribute, fallback);
  switch (name) {
    case "":
      return x;
    case "Relu":
      return tf.relu(x);
    case "Sigmoid":
      return tf.sigmoid(x);
    case "Tanh":
      return tf.tanh(x);
    case "Elu":
      return elu(x, parameter(0, "activation_alpha", 1));
    case "LeakyRelu":
      return tf.leakyRelu(x, parameter(0, "activation_alpha", 0.01));
    case "Clip":
      return tf.clipByValue(
        x,
        parameter(0, "activation_alpha", -Infinity),
        parameter(1, "activation_beta", Infinity),
      );
    case "HardSigmoid":
      return tf.clipByValue(
        tf.add(tf.mul(x, parameter(0, "activation_alpha", 0.2)), parameter(1, "activation_beta", 0.5)),
        0,
        1,
      );
    default:
      throw context.unsupported(`it is fused with ${name}`);
  }
}
