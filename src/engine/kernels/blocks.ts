/** Operators that exchange blocks of space with the batch or with channels. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, int64s, Value } from "../graph/value.js";
import { inOrder, reshapeValue } from "../layout.js";
import type { Lowerings } from "./lowering.js";

const util = tf.backend_util;

export const blocks: Lowerings = {
  SpaceToBatchND: ({ x }, attributes, backend) => {
    const blockShape = attributes.blockShape as number[];
    const spatial = attributes.paddings as [number, number][];
    const product = tf.util.sizeFromShape(blockShape);
    const pairs = x!.shape.map((_, axis): [number, number] => spatial[axis - 1] ?? [0, 0]);
    const padded = x!.shape.map((length, axis) => pairs[axis]![0] + length + pairs[axis]![1]);
    let value = backend.value(x!);
    if (spatial.flat().some((amount) => amount > 0)) {
      const amounts = int64s([...pairs.map((pair) => pair[0]), ...pairs.map((pair) => pair[1])]);
      const zero = new Value([], value.type, [0]);
      value = emit("Pad", [value, amounts, zero], padded, value.type);
    }
    const divided = reshapeValue(value, util.getReshaped(padded, blockShape, product, false));
    const order = util.getPermuted(divided.shape.length, blockShape.length, false);
    const target = util.getReshapedPermuted(padded, blockShape, product, false);
    const result = reshapeValue(inOrder({ value: divided, order: undefined }, order), target);
    return backend.output(result, target, value.type);
  },
  BatchToSpaceND: ({ x }, attributes, backend) => {
    const blockShape = attributes.blockShape as number[];
    const crops = attributes.crops as number[][];
    const product = tf.util.sizeFromShape(blockShape);
    const divided = reshapeValue(backend.value(x!), util.getReshaped(x!.shape, blockShape, product));
    const order = util.getPermuted(divided.shape.length, blockShape.length);
    const whole = util.getReshapedPermuted(x!.shape, blockShape, product);
    const target = whole.map((length, axis) => length - sum(crops[axis - 1] ?? []));
    let result = reshapeValue(inOrder({ value: divided, order: undefined }, order), whole);
    if (crops.flat().some((amount) => amount > 0)) {
      const starts = whole.map((_, axis) => crops[axis - 1]?.[0] ?? 0);
      const ends = int64s(starts.map((start, axis) => start + target[axis]!));
      result = emit("Slice", [result, int64s(starts), ends], target, result.type);
    }
    return backend.output(result, target, result.type);
  },
  DepthToSpace: ({ x }, { blockSize, dataFormat }, backend) => {
    if (dataFormat !== "NHWC" || x!.dtype !== "float32") return undefined;
    const [batch, height, width, depth] = x!.shape as [number, number, number, number];
    const size = blockSize as number;
    const channelsFirst = [0, 3, 1, 2];
    const [rows, columns, channels] = [height * size, width * size, depth / (size * size)];
    const shape = [batch, channels, rows, columns];
    const value = emit("DepthToSpace", [backend.value(x!, channelsFirst)], shape, "float32", {
      blocksize: size,
    });
    return backend.output(value, [batch, rows, columns, channels], "float32", channelsFirst);
  },
};

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
