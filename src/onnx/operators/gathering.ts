/** Reading by index. Indices below zero count from the end. */
import * as tf from "@tensorflow/tfjs-core";
import { embedding } from "../../nn/functional/embedding.js";
import { HostValue, isHost, type OnnxValue } from "../values.js";
import { mapHost, pick, stridesOf } from "./host.js";
import { takeSpans } from "./joining.js";
import {
  allHost,
  asInt,
  axisOf,
  integers,
  product,
  range,
  tensorAt,
  type OperatorTable,
} from "./operator.js";
import { reshaped } from "./shape.js";

export const gathering: OperatorTable = {
  Gather: {
    since: 1,
    gradient: true,
    run: ([x, indices], context) => [gather(x!, indices!, axisOf(context.int("axis", 0), x!.shape.length))],
  },
  GatherElements: {
    since: 11,
    gradient: true,
    run: ([x, indices], context) => {
      const axis = axisOf(context.int("axis", 0), x!.shape.length);
      const places = elementPlaces(x!.shape, indices!, axis);
      return [gatherFlat(x!, places, indices!.shape)];
    },
  },
  GatherND: {
    since: 11,
    gradient: true,
    run: ([x, indices], context) => {
      const batchAxes = context.int("batch_dims", 0);
      const depth = indices!.shape.at(-1)!;
      const inner = x!.shape.slice(batchAxes + depth);
      const places = slicePlaces(x!.shape, indices!, batchAxes);
      const rows = reshaped(x!, [product(x!.shape.slice(0, batchAxes + depth)), ...inner]);
      return [gather(rows, reshaped(places, indices!.shape.slice(0, -1)), 0)];
    },
  },
};

/** Slices of `x` along an axis, in the shape of the indices. */
export function gather(x: OnnxValue, indices: OnnxValue, axis: number): OnnxValue {
  const length = x.shape[axis]!;
  const lengths = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const known = withoutNegatives(indices, length);
  if (isHost(known)) {
    const [first = 0] = Array.from(known.data);
    const isRun = known.data.length > 0 && Array.from(known.data).every((index, i) => index === first + i);
    if (isRun && (isHost(x) || known.data.length <= length)) {
      return reshaped(takeSpans(x, [{ axis, start: first, step: 1, count: known.data.length }]), lengths);
    }
    if (allHost([x])) return gatherHost(x as HostValue, known, axis, lengths);
  }
  const source = tensorAt([x], 0);
  const positions = asInt(tensorAt([known], 0));
  const isTable = axis === 0 && source.rank === 2 && source.dtype === "float32" && !lengths.includes(0);
  if (isTable) return embedding(positions, source as tf.Tensor2D);
  return tf.reshape(tf.gather(source, tf.reshape(positions, [-1]), axis), lengths);
}

function gatherHost(x: HostValue, indices: HostValue, axis: number, lengths: number[]): HostValue {
  const [outer, inner] = [product(x.shape.slice(0, axis)), product(x.shape.slice(axis + 1))];
  const places: number[] = [];
  for (let row = 0; row < outer; row++) {
    for (const index of Array.from(indices.data)) {
      const start = (row * x.shape[axis]! + index) * inner;
      for (let i = 0; i < inner; i++) places.push(start + i);
    }
  }
  return pick(x, lengths, places);
}

/** The elements of `x` at places of its flattened form. */
function gatherFlat(x: OnnxValue, places: OnnxValue, lengths: readonly number[]): OnnxValue {
  return reshaped(gather(reshaped(x, [product(x.shape)]), reshaped(places, [product(lengths)]), 0), lengths);
}

export function withoutNegatives(indices: OnnxValue, length: number): OnnxValue {
  if (isHost(indices)) return mapHost(indices, (index) => (index < 0 ? index + length : index));
  const positions = asInt(indices);
  const zero = tf.scalar(0, "int32");
  return tf.add(positions, tf.mul(asInt(tf.less(positions, zero)), tf.scalar(length, "int32")));
}

/** Where the elements that `indices` names along an axis lie in the flattened array; shaped as `indices`. */
export function elementPlaces(shape: readonly number[], indices: OnnxValue, axis: number): OnnxValue {
  const strides = stridesOf(shape);
  const along = withoutNegatives(indices, shape[axis]!);
  const others = coordinates(indices.shape, (position) => (position === axis ? 0 : strides[position]!));
  return combine(along, strides[axis]!, others);
}

/**
 * Which slices of the leading axes the rows of `indices` name, counted in row-major order.
 *
 * @param batchAxes leading axes that array and indices have in common
 * @returns shaped as `indices` without its last axis
 */
export function slicePlaces(shape: readonly number[], indices: OnnxValue, batchAxes: number): OnnxValue {
  const depth = indices.shape.at(-1)!;
  const rows = indices.shape.slice(0, -1);
  const strides = stridesOf(shape.slice(0, batchAxes + depth));
  const last = rows.length;
  let places: OnnxValue | undefined;
  for (const i of range(depth)) {
    const column = reshaped(takeSpans(indices, [{ axis: last, start: i, step: 1, count: 1 }]), rows);
    const along = withoutNegatives(column, shape[batchAxes + i]!);
    const others = places ?? coordinates(rows, (axis) => (axis < batchAxes ? strides[axis]! : 0));
    places = combine(along, strides[batchAxes + i]!, others);
  }
  return places!;
}

/** For each element of a shape the sum of its coordinates times these strides. */
function coordinates(shape: readonly number[], strideOf: (axis: number) => number): HostValue {
  let places = [0];
  shape.forEach((length, axis) => {
    const stride = strideOf(axis);
    places = places.flatMap((place) => range(length).map((i) => place + i * stride));
  });
  return new HostValue("int64", shape, places);
}

/** places · stride + others */
function combine(places: OnnxValue, stride: number, others: OnnxValue): OnnxValue {
  if (isHost(places) && isHost(others)) {
    const sums = Array.from(places.data, (place, i) => place * stride + others.data[i]!);
    return new HostValue("int64", places.shape, sums);
  }
  const scaled = tf.mul(asInt(tensorAt([places], 0)), tf.scalar(stride, "int32"));
  if (isHost(others) && Array.from(others.data).every((place) => place === 0)) return scaled;
  const offsets = isHost(others) ? integers(Array.from(others.data), others.shape) : others;
  return tf.add(scaled, offsets);
}
