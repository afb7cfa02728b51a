/** Normalisation, and dropout. */
import * as tf from "@tensorflow/tfjs-core";
import { batchNorm, batchNormInference, runningStatistics } from "../../nn/functional/batch_norm.js";
import { dropout } from "../../nn/functional/dropout.js";
import { groupNorm } from "../../nn/functional/group_norm.js";
import { layerNorm } from "../../nn/functional/layer_norm.js";
import { ModuleBuffer } from "../../nn/index.js";
import { toHost, type OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import {
  axisOf,
  channelsFirst,
  channelsLast,
  detached,
  floatAt,
  optionalTensor,
  product,
  range,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import { padWith } from "./padding.js";
import { euclideanNorm } from "./reduction.js";

export const normalization: OperatorTable = {
  BatchNormalization: {
    since: 1,
    gradient: true,
    notes:
      "Whether statistics that are the model's own are used or moved is the module's mode, not training_mode.",
    run: batchNormalization,
  },
  InstanceNormalization: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = channelsLast(floatAt(inputs, 0));
      const [weight, bias] = [floatAt(inputs, 1), floatAt(inputs, 2)];
      const eps = context.float("epsilon", 1e-5);
      return [channelsFirst(groupNorm(x, x.shape.at(-1)!, { weight, bias, eps }))];
    },
  },
  GroupNormalization: {
    since: 18,
    gradient: true,
    run: (inputs, context) => {
      const x = channelsLast(floatAt(inputs, 0));
      const groups = context.int("num_groups");
      const perChannel = (parameter: tf.Tensor): tf.Tensor => repeated(parameter, x.shape.at(-1)!);
      const [weight, bias] = [perChannel(floatAt(inputs, 1)), perChannel(floatAt(inputs, 2))];
      return [channelsFirst(groupNorm(x, groups, { weight, bias, eps: context.float("epsilon", 1e-5) }))];
    },
  },
  LayerNormalization: {
    since: 17,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const axis = axisOf(context.int("axis", -1), x.rank);
      const eps = context.float("epsilon", 1e-5);
      const y = layerNormalization(x, axis, eps, floatAt(inputs, 1), optionalTensor(inputs, 2));
      if (!context.wants(1) && !context.wants(2)) return [y];
      const axes = range(x.rank - axis, axis);
      const mean = tf.mean(x, axes, true);
      const variance = tf.mean(tf.square(tf.sub(x, mean)), axes, true);
      return [y, mean, tf.rsqrt(tf.add(variance, eps))];
    },
  },
  RMSNormalization: {
    since: 23,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const axis = axisOf(context.int("axis", -1), x.rank);
      return [rmsNormalization(x, axis, context.float("epsilon", 1e-5), floatAt(inputs, 1))];
    },
  },
  MeanVarianceNormalization: {
    since: 9,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const axes = context.ints("axes", [0, 2, 3]).map((axis) => axisOf(axis, x.rank));
      const centred = tf.sub(x, tf.mean(x, axes, true));
      const deviation = tf.sqrt(tf.mean(tf.square(centred), axes, true));
      return [tf.div(centred, tf.add(deviation, 1e-9))];
    },
  },
  LpNormalization: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const axis = axisOf(context.int("axis", -1), x.rank);
      const norm = context.int("p", 2) === 1 ? tf.sum(tf.abs(x), axis, true) : euclideanNorm(x, [axis], true);
      const isZero = tf.equal(detached(norm), 0);
      return [tf.div(x, tf.where(isZero, tf.onesLike(norm), norm))];
    },
  },
  LRN: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const size = context.int("size");
      const [alpha, beta, bias] = [
        context.float("alpha", 1e-4),
        context.float("beta", 0.75),
        context.float("bias", 1),
      ];
      if (size % 2 === 1 && x.rank === 4) {
        const radius = (size - 1) / 2;
        const image = channelsLast(x) as tf.Tensor4D;
        return [channelsFirst(tf.localResponseNormalization(image, radius, bias, alpha / size, beta))];
      }
      const before = Math.floor((size - 1) / 2);
      const amounts = x.shape.map((_, axis): [number, number] =>
        axis === 1 ? [before, size - 1 - before] : [0, 0],
      );
      const padded = padWith(tf.square(x), amounts, 0);
      const begins = x.shape.map(() => 0);
      const shifted = range(size).map((i) => tf.slice(padded, begins.with(1, i), x.shape));
      const squares = shifted.reduce((a, b) => tf.add(a, b));
      return [tf.div(x, tf.pow(tf.add(tf.mul(squares, alpha / size), bias), beta))];
    },
  },
  Dropout: {
    since: 1,
    gradient: true,
    notes: "Drops while its layer trains, whatever training_mode says.",
    run: ([x, ratio], context) => {
      const input = tensorAt([x], 0);
      const given = context.opset < 12 ? context.float("ratio", 0.5) : undefined;
      const p =
        context.dropout ?? given ?? (ratio ? toHost(ratio, `The ratio of ${context.name}`).data[0]! : 0.5);
      const output = context.training && p > 0 ? dropout(input, p) : input;
      if (!context.wants(1)) return [output];
      if (output !== input) throw context.unsupported("its mask is used, and it drops something");
      return [output, tf.ones(input.shape, "bool")];
    },
  },
};

/** (x - mean) / √(variance + eps) · scale + bias over the axes from `axis` on. */
export function layerNormalization(
  x: tf.Tensor,
  axis: number,
  eps: number,
  scale: tf.Tensor,
  bias: tf.Tensor | undefined,
): tf.Tensor {
  const shape = x.shape.slice(axis);
  if (
    tf.util.arraysEqual(scale.shape, shape) &&
    (bias === undefined || tf.util.arraysEqual(bias.shape, shape))
  ) {
    return layerNorm(x, shape, { weight: scale, bias: bias ?? null, eps });
  }
  const normal = tf.mul(layerNorm(x, shape, { eps }), scale);
  return bias === undefined ? normal : tf.add(normal, bias);
}

/** x / √(mean of squares + eps) · scale over the axes from `axis` on (Zhang and Sennrich, 2019). */
export function rmsNormalization(x: tf.Tensor, axis: number, eps: number, scale: tf.Tensor): tf.Tensor {
  const squares = tf.mean(tf.square(x), range(x.rank - axis, axis), true);
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(squares, eps))), scale);
}

function batchNormalization(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const original = floatAt(inputs, 0);
  const x = channelsLast(original);
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => floatAt(inputs, i)) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const eps = context.float("epsilon", 1e-5);
  const isOwn = mean instanceof ModuleBuffer && variance instanceof ModuleBuffer;
  const trains = isOwn ? context.usesBatchStatistics : context.int("training_mode", 0) !== 0;
  if (!trains) return [channelsFirst(batchNormInference(x, mean, variance, gamma, beta, eps))];
  const result = batchNorm(x, gamma, beta, eps);
  const share = context.momentum;
  const output = channelsFirst(result.output);
  if (isOwn) {
    // As PyTorch, without the bias of the batch's variance; the standard keeps it.
    const count = x.size / gamma.size;
    const moved = runningStatistics({ mean, variance }, result, share, count / Math.max(1, count - 1));
    mean.assign(moved.mean);
    variance.assign(moved.variance);
    return [output, mean, variance];
  }
  const moved = runningStatistics({ mean, variance }, result, share, 1);
  return [output, moved.mean, moved.variance];
}

/** Each number for as many channels as it takes to have this many. */
function repeated(parameter: tf.Tensor, channels: number): tf.Tensor {
  const copies = channels / product(parameter.shape);
  if (copies === 1) return parameter;
  return tf.reshape(tf.tile(tf.expandDims(parameter, 1), [1, copies]), [channels]);
}
