/** Operators that cut, pad and turn round arrays. Axes are renamed to wherever memory holds them. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, int64s, Value } from "../graph/value.js";
import { identityOrder, physicalShape, reshapeValue } from "../layout.js";
import type { Lowerings } from "./lowering.js";
import { physicalAxis } from "./reduction.js";
import { view } from "./shape.js";

export const slicing: Lowerings = {
  Slice: ({ x }, { begin, size }, backend) => {
    const [starts, sizes] = tf.slice_util.parseSliceParams(
      x as tf.Tensor,
      begin as number[],
      size as number[],
    ) as [number[], number[]];
    tf.slice_util.assertParamsValid(x as tf.Tensor, starts, sizes);
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
    const pairs = paddings as [number, number][];
    const physical = (order ?? identityOrder(pairs.length)).map((axis) => pairs[axis]!);
    const target = x!.shape.map((length, axis) => pairs[axis]![0] + length + pairs[axis]![1]);
    const amounts = int64s([...physical.map((pair) => pair[0]), ...physical.map((pair) => pair[1])]);
    const fill = new Value([], value.type, [constantValue as number]);
    const padded = emit("Pad", [value, amounts, fill], physicalShape(target, order), value.type);
    return backend.output(padded, target, value.type, order);
  },
  MirrorPad: ({ x }, { paddings, mode }, backend) => {
    const pairs = paddings as [number, number][];
    const { value, order } = backend.laid(x!);
    const target = x!.shape.map((length, axis) => pairs[axis]![0] + length + pairs[axis]![1]);
    let result = value;
    pairs.forEach(([before, after], axis) => {
      if (before + after === 0) return;
      const sources = mirrored(x!.shape[axis]!, before, after, mode === "reflect" ? 0 : 1);
      const position = physicalAxis(axis, pairs.length, order);
      const shape = result.shape.map((length, i) => (i === position ? sources.length : length));
      result = emit("Gather", [result, int64s(sources)], shape, value.type, { axis: position });
    });
    return backend.output(result, target, value.type, order);
  },
  Reverse: ({ x }, { dims }, backend) =>
    x!.shape.length === 0
      ? view(backend, x!, backend.laid(x!), x!.shape)
      : reversed(backend, x!, tf.util.parseAxisParam(dims as number[], x!.shape)),
  FlipLeftRight: ({ image }, _attributes, backend) => reversed(backend, image!, [2]),
};

function reversed(backend: OnnxRuntimeBackend, x: tf.TensorInfo, axes: readonly number[]): tf.TensorInfo {
  const { value, order } = backend.laid(x);
  const inputs = [
    value,
    int64s(axes.map(() => -1)),
    int64s(axes.map((axis) => -x.shape[axis]! - 1)),
    int64s(axes.map((axis) => physicalAxis(axis, x.shape.length, order))),
    int64s(axes.map(() => -1)),
  ];
  return backend.output(emit("Slice", inputs, value.shape, value.type), x.shape, value.type, order);
}

/** Where each element of a padded axis comes from. The element at the edge is repeated where `offset` is 1. */
export function mirrored(length: number, before: number, after: number, offset: 0 | 1): number[] {
  return Array.from({ length: before + length + after }, (_, position) => {
    const source = position - before;
    if (source < 0) return -source - offset;
    return source < length ? source : 2 * (length - 1) - source + offset;
  });
}
