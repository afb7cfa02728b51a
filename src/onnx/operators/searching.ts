/** Operators that look for elements: the largest, those that are not zero, the different ones. And sums up to each. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue, isHost, type OnnxValue } from "../values.js";
import { gather } from "./gathering.js";
import { makeHost, stridesOf } from "./host.js";
import {
  asInt,
  axisOf,
  integers,
  moveAxis,
  numberAt,
  product,
  range,
  READS_INPUTS,
  readNumbers,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";
import { reshaped } from "./shape.js";

export const searching: OperatorTable = {
  TopK: { since: 1, gradient: true, run: topK },
  CumSum: {
    since: 11,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const axis = axisOf(numberAt(inputs, 1, "the axis of CumSum")!, x.shape.length);
      const [isExclusive, isReverse] = [context.int("exclusive", 0) !== 0, context.int("reverse", 0) !== 0];
      return [tf.cumsum(tensorAt(inputs, 0), axis, isExclusive, isReverse)];
    },
  },
  NonZero: {
    since: 9,
    gradient: false,
    notes: READS_INPUTS,
    run: ([x]) => {
      const numbers = Array.from(readNumbers(x!));
      const places = range(numbers.length).filter((i) => numbers[i] !== 0);
      const strides = stridesOf(x!.shape);
      const rows = x!.shape.map((length, axis) =>
        places.map((place) => Math.floor(place / strides[axis]!) % length),
      );
      return [new HostValue("int64", [x!.shape.length, places.length], rows.flat())];
    },
  },
  Compress: {
    since: 9,
    gradient: true,
    notes: READS_INPUTS,
    run: ([x, condition], context) => {
      const kept = Array.from(readNumbers(condition!));
      const indices = HostValue.integers(range(kept.length).filter((i) => kept[i] !== 0));
      if (!context.has("axis")) return [gather(reshaped(x!, [product(x!.shape)]), indices, 0)];
      return [gather(x!, indices, axisOf(context.int("axis", 0), x!.shape.length))];
    },
  },
  Unique: { since: 11, gradient: true, notes: READS_INPUTS, run: ([x], context) => unique(x!, context) },
  OneHot: {
    since: 9,
    gradient: true,
    run: (inputs, context) => {
      const depth = numberAt(inputs, 1, "the depth of OneHot")!;
      const rank = inputs[0]!.shape.length + 1;
      const axis = axisOf(context.int("axis", -1), rank);
      const indices = asInt(tensorAt(inputs, 0));
      const wrapped = tf.add(
        indices,
        tf.mul(asInt(tf.less(indices, tf.scalar(0, "int32"))), tf.scalar(depth, "int32")),
      );
      const values = tensorAt(inputs, 2);
      const hot = tf.cast(tf.oneHot(wrapped, depth), "bool");
      const [off, on] = [0, 1].map((i) => tf.reshape(tf.slice(values, [i], [1]), []));
      return [moveAxis(tf.where(hot, on!, off!), rank - 1, axis)];
    },
  },
  Trilu: {
    since: 14,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const diagonal = numberAt(inputs, 1, "the diagonal of Trilu") ?? 0;
      const isUpper = context.int("upper", 1) !== 0;
      const [rows, columns] = x.shape.slice(-2) as [number, number];
      const isKept = (row: number, column: number): boolean =>
        isUpper ? column - row >= diagonal : column - row <= diagonal;
      if (isHost(x)) {
        const kept = Array.from(x.data, (value, i) =>
          isKept(Math.floor(i / columns) % rows, i % columns) ? value : 0,
        );
        return [new HostValue(x.type, x.shape, kept)];
      }
      if (x.size === 0) return [x];
      const mask = range(rows).flatMap((row) => range(columns).map((column) => Number(isKept(row, column))));
      return [tf.where(tf.tensor(mask, [rows, columns], "bool"), x, tf.zerosLike(x))];
    },
  },
  ReverseSequence: {
    since: 10,
    gradient: true,
    run: (inputs, context) => {
      const [batchAxis, timeAxis] = [context.int("batch_axis", 1), context.int("time_axis", 0)];
      const batchFirst = moveAxis(tensorAt(inputs, 0), batchAxis, 0);
      const axis = timeAxis < batchAxis ? timeAxis + 1 : timeAxis;
      const reversed = reverseSequences(moveAxis(batchFirst, axis, 1), tensorAt(inputs, 1));
      return [moveAxis(moveAxis(reversed, 1, axis), 0, batchAxis)];
    },
  },
};

/**
 * Turns round the first steps of each sequence, and leaves those behind its end where they are.
 *
 * @param x [batch, time, …]
 * @param lengths int32 [batch]
 */
export function reverseSequences(x: tf.Tensor, lengths: tf.Tensor): tf.Tensor {
  const steps = integers(range(x.shape[1]!), [1, x.shape[1]!]);
  const ends = tf.expandDims(asInt(lengths), 1);
  const turned = tf.sub(tf.sub(ends, tf.scalar(1, "int32")), steps);
  const sources = tf.where(tf.less(steps, ends), turned, tf.add(tf.zerosLike(turned), steps));
  return tf.gather(x, sources, 1, 1);
}

/** Equal elements come in the order of their indices. */
function topK(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const x = tensorAt(inputs, 0);
  const count = context.opset < 10 ? context.int("k", 1) : numberAt(inputs, 1, "the k of TopK")!;
  const axis = axisOf(context.int("axis", -1), x.rank);
  const isLargest = context.int("largest", 1) !== 0;
  const moved = moveAxis(x, axis, x.rank - 1);
  const { values, indices } = tf.topk(isLargest ? moved : tf.neg(moved), count, true);
  const found = [isLargest ? values : tf.neg(values), indices];
  return found.map((part) => moveAxis(part, x.rank - 1, axis));
}

/** The values are gathered, so that gradients flow into them; the rest is known. */
function unique(x: OnnxValue, context: OperatorContext): OnnxValue[] {
  const isFlat = !context.has("axis");
  const source = isFlat ? reshaped(x, [product(x.shape)]) : x;
  const axis = isFlat ? 0 : axisOf(context.int("axis", 0), x.shape.length);
  const length = source.shape[axis]!;
  const inner = product(source.shape.slice(axis + 1));
  const outer = product(source.shape.slice(0, axis));
  const numbers = readNumbers(source);
  const slices = range(length).map((i) =>
    range(outer).flatMap((row) => range(inner).map((j) => numbers[(row * length + i) * inner + j]!)),
  );
  const groups = new Map<string, number[]>();
  slices.forEach((slice, i) => {
    const key = slice.join();
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  const members = [...groups.values()];
  if (context.int("sorted", 1) !== 0) members.sort(([a], [b]) => compare(slices[a!]!, slices[b!]!));
  const inverse = new Array<number>(length);
  members.forEach((group, place) => group.forEach((i) => (inverse[i] = place)));
  const first = HostValue.integers(members.map(([i]) => i!));
  return [
    gather(source, first, axis),
    first,
    HostValue.integers(inverse),
    makeHost(
      "int64",
      [members.length],
      members.map((group) => group.length),
    ),
  ];
}

function compare(a: readonly number[], b: readonly number[]): number {
  const place = a.findIndex((value, i) => value !== b[i]);
  return place === -1 ? 0 : a[place]! - b[place]!;
}
