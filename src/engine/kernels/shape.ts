/** Operators that move, join, cut or make arrays. Axes are renamed to wherever memory holds them. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, emitAll, int64s, Value, type ValueType } from "../graph/value.js";
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
    const axis = dim as number;
    target.splice(axis < 0 ? input!.shape.length + 1 + axis : axis, 0, 1);
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
    const target = tf.backend_util.computeOutShape(
      parts.map((part) => part.shape),
      dimension!,
    );
    if (parts.some((part) => part.dtype !== parts[0]!.dtype)) return undefined;
    return join(backend, parts, dimension!, target);
  },
  Pack: (inputs, { axis }, backend) => {
    const parts = Object.values(inputs);
    const rank = parts[0]!.shape.length + 1;
    const dimension = (axis as number) < 0 ? (axis as number) + rank : (axis as number);
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
    if (sizes.includes(0)) return undefined;
    const laid = backend.laid(x!);
    const position = physicalAxis(dimension!, x!.shape.length, laid.order);
    return split(laid.value, position, sizes).map((piece, i) => {
      const target = x!.shape.map((length, d) => (d === dimension ? sizes[i]! : length));
      return backend.output(piece, target, piece.type, laid.order);
    });
  },
  Slice: ({ x }, { begin, size }, backend) => {
    const [starts, sizes] = tf.slice_util.parseSliceParams(
      x as tf.Tensor,
      begin as number[],
      size as number[],
    ) as [number[], number[]];
    if (sizes.includes(0)) return undefined;
    const { value, order } = backend.laid(x!);
    const axes = identityOrder(starts.length).filter((axis) => sizes[axis] !== x!.shape[axis]);
    if (axes.length === 0) return view(backend, x!, { value, order }, x!.shape);
    const inputs = [
      value,
      int64s(axes.map((axis) => starts[axis]!)),
      int64s(axes.map((axis) => starts[axis]! + sizes[axis]!)),
      int64s(axes.map((axis) => physicalAxis(axis, starts.length, order))),
    ];
    const sliced = emit("Slice", inputs, physicalShape(sizes, order), value.type);
    return backend.output(sliced, sizes, value.type, order);
  },
  StridedSlice: ({ x }, attributes, backend) => {
    const info = tf.slice_util.sliceInfo(
      x!.shape,
      attributes.begin as number[],
      attributes.end as number[],
      attributes.strides as number[],
      attributes.beginMask as number,
      attributes.endMask as number,
      attributes.ellipsisMask as number,
      attributes.newAxisMask as number,
      attributes.shrinkAxisMask as number,
    );
    if (info.finalShapeSparse.includes(0)) return undefined;
    const ends = info.strides.map((stride, axis) => {
      const count = Math.ceil((info.end[axis]! - info.begin[axis]!) / stride);
      const end = info.begin[axis]! + count * stride;
      return end < 0 ? -(x!.shape[axis]! + 1) : end;
    });
    const inputs = [
      backend.value(x!),
      int64s(info.begin),
      int64s(ends),
      int64s(identityOrder(info.begin.length)),
      int64s(info.strides),
    ];
    const counts = info.strides.map((stride, axis) =>
      Math.ceil((info.end[axis]! - info.begin[axis]!) / stride),
    );
    const sliced = emit("Slice", inputs, counts, inputs[0]!.type);
    return backend.output(reshapeValue(sliced, info.finalShape), info.finalShape, sliced.type);
  },
  PadV2: ({ x }, { paddings, constantValue }, backend) => {
    const { value, order } = backend.laid(x!);
    if (value.type === "bool") return undefined;
    const pairs = paddings as [number, number][];
    const physical = (order ?? identityOrder(pairs.length)).map((axis) => pairs[axis]!);
    const target = x!.shape.map((length, axis) => pairs[axis]![0] + length + pairs[axis]![1]);
    const amounts = int64s([...physical.map((pair) => pair[0]), ...physical.map((pair) => pair[1])]);
    const fill = new Value([], value.type, [constantValue as number]);
    const padded = emit("Pad", [value, amounts, fill], physicalShape(target, order), value.type);
    return backend.output(padded, target, value.type, order);
  },
  MirrorPad: ({ x }, { paddings, mode }, backend) => {
    if (mode !== "reflect" || x!.dtype !== "float32") return undefined;
    const pairs = paddings as [number, number][];
    const target = x!.shape.map((length, axis) => pairs[axis]![0] + length + pairs[axis]![1]);
    const amounts = int64s([...pairs.map((pair) => pair[0]), ...pairs.map((pair) => pair[1])]);
    const padded = emit("Pad", [backend.value(x!), amounts], target, "float32", { mode: "reflect" });
    return backend.output(padded, target, "float32");
  },
  Tile: ({ x }, { reps }, backend) => {
    const { value, order } = backend.laid(x!);
    const counts = reps as number[];
    const target = x!.shape.map((length, axis) => length * counts[axis]!);
    if (target.includes(0)) return undefined;
    const tiled = emit(
      "Tile",
      [value, int64s(physicalShape(counts, order))],
      physicalShape(target, order),
      value.type,
    );
    return backend.output(tiled, target, value.type, order);
  },
  Reverse: ({ x }, { dims }, backend) => {
    const { value, order } = backend.laid(x!);
    if (x!.shape.length === 0) return view(backend, x!, { value, order }, x!.shape);
    const axes = tf.util.parseAxisParam(dims as number[], x!.shape);
    const inputs = [
      value,
      int64s(axes.map(() => -1)),
      int64s(axes.map((axis) => -x!.shape[axis]! - 1)),
      int64s(axes.map((axis) => physicalAxis(axis, x!.shape.length, order))),
      int64s(axes.map(() => -1)),
    ];
    return backend.output(emit("Slice", inputs, value.shape, value.type), x!.shape, value.type, order);
  },

  Fill: (_inputs, attributes, backend) => {
    const { value, shape: target } = attributes as { value: number | string; shape: number[] };
    const dtype = (attributes.dtype as tf.DataType | undefined) ?? tf.util.inferDtype(value);
    if (typeof value === "string" || dtype === "string" || dtype === "complex64") return undefined;
    return filled(backend, target, dtype, Number(value));
  },
  Range: (_inputs, { start, stop, step, dtype }, backend) => {
    const [from, by] = [start as number, step as number];
    const length = Math.max(0, Math.ceil(((stop as number) - from) / by));
    const values = Array.from({ length }, (_, i) => from + i * by);
    const array = dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values);
    return {
      dataId: backend.write(array, [length], dtype as tf.DataType),
      shape: [length],
      dtype: dtype as tf.DataType,
    };
  },
  ZerosLike: ({ x }, _attributes, backend) => filled(backend, x!.shape, x!.dtype as ValueType, 0),
  OnesLike: ({ x }, _attributes, backend) => filled(backend, x!.shape, x!.dtype as ValueType, 1),
};

/** A new tensor of the type of `x` over what it holds, arranged as `laid`. */
function view(backend: OnnxRuntimeBackend, x: tf.TensorInfo, laid: Laid, target: number[]): tf.TensorInfo {
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

/** A tensor of one repeated value, made where the graph runs. */
function filled(
  backend: OnnxRuntimeBackend,
  target: number[],
  dtype: ValueType,
  fill: number,
): tf.TensorInfo {
  if (target.includes(0)) {
    const nothing = tf.util.getTypedArrayFromDType(dtype as "float32", 0);
    return {
      dataId: backend.write(nothing, target, dtype as tf.DataType),
      shape: target,
      dtype: dtype as tf.DataType,
    };
  }
  const one = new Value([], dtype, [fill]);
  const value = emit("Expand", [one, int64s(target)], target, dtype);
  return backend.output(value, target, dtype);
}
