/** Operators that change the shape of an array, or give it. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue, isHost, type OnnxValue } from "../values.js";
import { broadcastHost, broadcastShapes, isSmall, pick, placesOf, stridesOf } from "./host.js";
import {
  allHost,
  axisOf,
  expandTo,
  numbersAt,
  optionalInts,
  product,
  range,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";

export const shape: OperatorTable = {
  Identity: { since: 1, gradient: true, run: (inputs) => [inputs[0]!] },
  Shape: {
    since: 1,
    gradient: false,
    run: (inputs, context) => {
      const lengths = inputs[0]!.shape;
      const rank = lengths.length;
      const [start, end] = [context.int("start", 0), context.int("end", rank)];
      return [HostValue.integers(lengths.slice(axisOf(start, rank) < 0 ? 0 : start, end))];
    },
  },
  Size: {
    since: 1,
    gradient: false,
    run: (inputs) => [HostValue.scalar(product(inputs[0]!.shape), "int64")],
  },
  Reshape: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const wanted = optionalInts(context, "shape") ?? numbersAt(inputs, 1, "the shape of Reshape")!;
      const x = inputs[0]!;
      const lengths =
        context.int("allowzero", 0) === 0
          ? wanted.map((length, i) => (length === 0 ? x.shape[i]! : length))
          : wanted;
      return [reshaped(x, inferred(lengths, product(x.shape), context))];
    },
  },
  Flatten: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const axis = axisOf(context.int("axis", 1), x.shape.length);
      return [reshaped(x, [product(x.shape.slice(0, axis)), product(x.shape.slice(axis))])];
    },
  },
  Squeeze: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const axes = axesOf(inputs, context, x.shape.length, "the axes of Squeeze");
      const isGone = (axis: number): boolean => axes?.includes(axis) ?? x.shape[axis] === 1;
      return [
        reshaped(
          x,
          x.shape.filter((_, axis) => !isGone(axis)),
        ),
      ];
    },
  },
  Unsqueeze: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const given = optionalInts(context, "axes") ?? numbersAt(inputs, 1, "the axes of Unsqueeze")!;
      const rank = x.shape.length + given.length;
      const axes = given.map((axis) => axisOf(axis, rank));
      const rest = [...x.shape];
      return [
        reshaped(
          x,
          range(rank).map((axis) => (axes.includes(axis) ? 1 : rest.shift()!)),
        ),
      ];
    },
  },
  Transpose: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const order = optionalInts(context, "perm") ?? range(x.shape.length).reverse();
      if (!allHost([x])) return [tf.transpose(tensorAt(inputs, 0), order)];
      const strides = stridesOf(x.shape);
      const lengths = order.map((axis) => x.shape[axis]!);
      const own = order.map((axis) => strides[axis]!);
      return [pick(x as HostValue, lengths, placesOf(lengths, own))];
    },
  },
  Expand: {
    since: 8,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const wanted = optionalInts(context, "shape") ?? numbersAt(inputs, 1, "the shape of Expand")!;
      return [expanded(x, broadcastShapes([x.shape, wanted]))];
    },
  },
  Tile: {
    since: 6,
    gradient: true,
    run: (inputs) => {
      const x = inputs[0]!;
      const repeats = numbersAt(inputs, 1, "the repeats of Tile")!;
      const lengths = x.shape.map((length, axis) => length * repeats[axis]!);
      if (!allHost([x])) return [tf.tile(tensorAt(inputs, 0), repeats)];
      const strides = stridesOf(x.shape);
      const pairs = x.shape.flatMap((length, axis) => [repeats[axis]!, length]);
      return [
        pick(
          x as HostValue,
          lengths,
          placesOf(
            pairs,
            strides.flatMap((stride) => [0, stride]),
          ),
        ),
      ];
    },
  },
  DepthToSpace: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const size = context.int("blocksize", 1);
      const x = tensorAt(inputs, 0);
      const [batch, channels, height, width] = x.shape as [number, number, number, number];
      const depth = channels / size ** 2;
      const isDepthFirst = context.string("mode", "DCR") === "DCR";
      const parts = isDepthFirst
        ? [batch, size, size, depth, height, width]
        : [batch, depth, size, size, height, width];
      const order = isDepthFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
      const blocks = tf.transpose(tf.reshape(x, parts), order);
      return [tf.reshape(blocks, [batch, depth, height * size, width * size])];
    },
  },
  SpaceToDepth: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const size = context.int("blocksize", 1);
      const x = tensorAt(inputs, 0);
      const [batch, channels, height, width] = x.shape as [number, number, number, number];
      const [rows, columns] = [height / size, width / size];
      const blocks = tf.reshape(x, [batch, channels, rows, size, columns, size]);
      const depths = tf.transpose(blocks, [0, 3, 5, 1, 2, 4]);
      return [tf.reshape(depths, [batch, channels * size ** 2, rows, columns])];
    },
  },
};

/** Axes counted from the front, from an attribute or, in later versions, an input; undefined where none are given. */
export function axesOf(
  inputs: Inputs,
  context: OperatorContext,
  rank: number,
  what: string,
): number[] | undefined {
  const axes = optionalInts(context, "axes") ?? numbersAt(inputs, 1, what);
  return axes?.map((axis) => axisOf(axis, rank));
}

export function reshaped(x: OnnxValue, lengths: readonly number[]): OnnxValue {
  return isHost(x) ? new HostValue(x.type, lengths, x.data) : tf.reshape(x, [...lengths]);
}

/** A value repeated to a shape: on the device where it becomes large. */
export function expanded(x: OnnxValue, lengths: readonly number[]): OnnxValue {
  if (isHost(x) && isSmall(lengths)) return broadcastHost(x, lengths);
  return expandTo(tensorAt([x], 0), lengths);
}

function inferred(lengths: readonly number[], size: number, context: OperatorContext): number[] {
  const known = product(lengths.filter((length) => length !== -1));
  const result = lengths.map((length) => (length === -1 ? size / known : length));
  if (product(result) !== size || !result.every(Number.isInteger)) {
    throw context.invalid(`${size} elements do not fill the shape [${lengths.join(", ")}]`);
  }
  return result;
}
