/** Operators that rearrange, join and divide arrays. Axes are renamed to wherever memory holds them. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, emitAll, int64s, type Value, type ValueType } from "../graph/value.js";
import {
  identityOrder,
  invertOrder,
  physicalShape,
  reshape,
  reshapeValue,
  type Laid,
  type Order,
} from "../layout.js";
import { physicalAxis } from "./reduction.js";
import type { Lowerings } from "./lowering.js";

export const shape: Lowerings = {
  Reshape: ({ x }, attributes, backend) => {
    const target = tf.util.inferFromImplicitShape(
      attributes.shape as number[],
      tf.util.sizeFromShape(x!.shape),
    );
    return view(backend, x!, reshape(backend.laid(x!), target), target);
  },
  ExpandDims: ({ input }, { dim }, backend) => {
    const target = [...input!.shape];
    const axis = (dim as number) < 0 ? target.length + 1 + (dim as number) : (dim as number);
    tf.util.assert(axis >= 0, () => `expandDims: axis ${dim} is before the first of ${target.length} axes.`);
    target.splice(axis, 0, 1);
    return view(backend, input!, reshape(backend.laid(input!), target), target);
  },
  Transpose: ({ x }, { perm }, backend) => {
    const axes = perm as number[];
    const { value, order } = backend.laid(x!);
    const inverse = invertOrder(axes);
    const newOrder = (order ?? identityOrder(axes.length)).map((axis) => inverse[axis]!);
    const target = axes.map((axis) => x!.shape[axis]!);
    return backend.output(value, target, x!.dtype as ValueType, newOrder);
  },

  Concat: (inputs, { axis }, backend) => {
    const parts = Object.values(inputs);
    const [dimension] = tf.util.parseAxisParam(axis as number, parts[0]!.shape);
    const shapes = parts.map((part) => part.shape);
    tf.backend_util.assertParamsConsistent(shapes, dimension!);
    const target = tf.backend_util.computeOutShape(shapes, dimension!);
    if (parts.some((part) => part.dtype !== parts[0]!.dtype)) return undefined;
    const filled = parts.filter((part) => !part.shape.includes(0));
    return join(backend, filled.length > 0 ? filled : parts, dimension!, target);
  },
  Pack: (inputs, { axis }, backend) => {
    const parts = Object.values(inputs);
    const rank = parts[0]!.shape.length + 1;
    const dimension = (axis as number) < 0 ? (axis as number) + rank : (axis as number);
    for (const { shape, dtype } of parts) {
      tf.util.assertShapesMatch(
        parts[0]!.shape,
        shape,
        "All tensors passed to stack must have matching shapes",
      );
      tf.util.assert(
        dtype === parts[0]!.dtype,
        () => "All tensors passed to stack must have matching dtypes",
      );
    }
    const expanded = [...parts[0]!.shape];
    expanded.splice(dimension, 0, 1);
    const values = parts.map((part) => reshapeValue(backend.value(part), expanded));
    const target = expanded.map((length, i) => (i === dimension ? parts.length : length));
    const value = emit("Concat", values, target, values[0]!.type, { axis: dimension });
    return backend.output(value, target, value.type);
  },
  Unpack: ({ value: tensor }, { axis }, backend) => {
    const rank = tensor!.shape.length;
    const dimension = (axis as number) < 0 ? (axis as number) + rank : (axis as number);
    const target = tensor!.shape.filter((_, i) => i !== dimension);
    const pieces = split(
      backend.value(tensor!),
      dimension,
      new Array<number>(tensor!.shape[dimension]!).fill(1),
    );
    return pieces.map((piece) => backend.output(reshapeValue(piece, target), target, piece.type));
  },
  SplitV: ({ x }, { numOrSizeSplits, axis }, backend) => {
    const [dimension] = tf.util.parseAxisParam(axis as number, x!.shape);
    const sizes = tf.backend_util.prepareSplitSize(
      x as tf.Tensor,
      numOrSizeSplits as number | number[],
      dimension,
    );
    const laid = backend.laid(x!);
    const position = physicalAxis(dimension!, x!.shape.length, laid.order);
    return split(laid.value, position, sizes).map((piece, i) => {
      const target = x!.shape.map((length, d) => (d === dimension ? sizes[i]! : length));
      return backend.output(piece, target, piece.type, laid.order);
    });
  },
  Tile: ({ x }, { reps }, backend) => {
    const { value, order } = backend.laid(x!);
    const counts = reps as number[];
    const target = x!.shape.map((length, axis) => length * counts[axis]!);
    const tiled = emit(
      "Tile",
      [value, int64s(physicalShape(counts, order))],
      physicalShape(target, order),
      value.type,
    );
    return backend.output(tiled, target, value.type, order);
  },
};

/** A new tensor of the type of `x` over what it holds, arranged as `laid`. */
export function view(
  backend: OnnxRuntimeBackend,
  x: tf.TensorInfo,
  laid: Laid,
  target: number[],
): tf.TensorInfo {
  return backend.output(laid.value, target, x.dtype as ValueType, laid.order);
}

function join(
  backend: OnnxRuntimeBackend,
  parts: readonly tf.TensorInfo[],
  axis: number,
  target: number[],
): tf.TensorInfo {
  const laid = parts.map((part) => backend.laid(part));
  const order: Order = laid.find((part) => part.order !== undefined)?.order;
  const values = parts.map((part) => backend.value(part, order));
  const position = physicalAxis(axis, target.length, order);
  const value =
    values.length === 1
      ? values[0]!
      : emit("Concat", values, physicalShape(target, order), values[0]!.type, { axis: position });
  return backend.output(value, target, value.type, order);
}

function split(value: Value, axis: number, sizes: readonly number[]): Value[] {
  const outputs = sizes.map((size) => ({
    shape: value.shape.map((length, i) => (i === axis ? size : length)),
    type: value.type,
  }));
  return emitAll("Split", [value, int64s(sizes)], outputs, { axis });
}
