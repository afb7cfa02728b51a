/** Reductions over axes. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxValue } from "../values.js";
import { reduceHost } from "./host.js";
import {
  allHost,
  asFloat,
  axisOf,
  product,
  range,
  tensorAt,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";
import { axesOf, reshaped } from "./shape.js";

type Reduce = (x: tf.Tensor, axes: number[], keepDims: boolean) => tf.Tensor;

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

export const reduction: OperatorTable = {
  ReduceSum: reducing(tf.sum, sum),
  ReduceMean: reducing(
    (x, axes, keepDims) => tf.mean(x, axes, keepDims),
    (values) => sum(values) / values.length,
  ),
  ReduceProd: reducing((x, axes, keepDims) => tf.prod(x, axes, keepDims), product),
  ReduceMax: {
    ...reducing(
      (x, axes, keepDims) => tf.max(x, axes, keepDims),
      (values) => values.reduce((a, b) => Math.max(a, b), -Infinity),
    ),
    notes: "Each of several largest elements gets the whole gradient.",
  },
  ReduceMin: {
    ...reducing(
      (x, axes, keepDims) => tf.min(x, axes, keepDims),
      (values) => values.reduce((a, b) => Math.min(a, b), Infinity),
    ),
    notes: "Each of several smallest elements gets the whole gradient.",
  },
  ReduceL1: reducing((x, axes, keepDims) => tf.sum(tf.abs(x), axes, keepDims)),
  ReduceL2: reducing(euclideanNorm),
  ReduceSumSquare: reducing((x, axes, keepDims) => tf.sum(tf.square(x), axes, keepDims)),
  ReduceLogSum: reducing((x, axes, keepDims) => tf.log(tf.sum(x, axes, keepDims))),
  ReduceLogSumExp: reducing((x, axes, keepDims) => tf.logSumExp(asFloat(x), axes, keepDims)),
  ArgMax: extremum((x, axis) => tf.argMax(x, axis)),
  ArgMin: extremum((x, axis) => tf.argMin(x, axis)),
};

/** √Σx², whose gradient is 0 where all are 0. */
export function euclideanNorm(x: tf.Tensor, axes: number[], keepDims: boolean): tf.Tensor {
  const squares = tf.sum(tf.square(asFloat(x)), axes, keepDims);
  const isZero = tf.equal(squares, 0);
  const roots = tf.sqrt(tf.where(isZero, tf.onesLike(squares), squares));
  return tf.where(isZero, tf.zerosLike(squares), roots);
}

function reducing(onDevice: Reduce, onHost?: (values: number[]) => number): OperatorDefinition {
  return {
    since: 1,
    gradient: true,
    run: (inputs, context) => [reduce(inputs, context, onDevice, onHost)],
  };
}

function reduce(
  inputs: Inputs,
  context: OperatorContext,
  onDevice: Reduce,
  onHost: ((values: number[]) => number) | undefined,
): OnnxValue {
  const first = inputs[0]!;
  const rank = first.shape.length;
  const given = axesOf(inputs, context, rank, `the axes of ${context.node.operator}`);
  const isEmpty = given === undefined || given.length === 0;
  if (isEmpty && context.int("noop_with_empty_axes", 0) !== 0) return first;
  const axes = isEmpty ? range(rank) : given;
  const keepDims = context.int("keepdims", 1) !== 0;
  const single = [first];
  if (onHost !== undefined && allHost(single)) {
    const kept = reduceHost(single[0]!, axes, onHost);
    return keepDims
      ? kept
      : reshaped(
          kept,
          kept.shape.filter((_, axis) => !axes.includes(axis)),
        );
  }
  const x = tensorAt(inputs, 0);
  const result = onDevice(x.dtype === "bool" ? tf.cast(x, "int32") : x, axes, keepDims);
  return result.dtype === x.dtype || x.dtype === "float32" ? result : tf.cast(result, x.dtype);
}

function extremum(find: (x: tf.Tensor, axis: number) => tf.Tensor): OperatorDefinition {
  return {
    since: 1,
    gradient: false,
    run: (inputs, context) => {
      const x = tensorAt(inputs, 0);
      const axis = axisOf(context.int("axis", 0), x.rank);
      const isLast = context.int("select_last_index", 0) !== 0;
      const found = isLast
        ? tf.sub(tf.scalar(x.shape[axis]! - 1, "int32"), find(tf.reverse(x, axis), axis))
        : find(x, axis);
      return [context.int("keepdims", 1) === 0 ? found : tf.expandDims(found, axis)];
    },
  };
}
