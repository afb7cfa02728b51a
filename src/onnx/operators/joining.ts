/** Operators that join arrays and take parts of them. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue, isHost, type OnnxValue } from "../values.js";
import { pick, placesOf, stridesOf } from "./host.js";
import {
  allHost,
  axisOf,
  numbersAt,
  optionalInts,
  product,
  range,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";

/** Part of an axis: `count` elements from `start`, each `step` behind the one before. */
interface Span {
  axis: number;
  start: number;
  step: number;
  count: number;
}

export const joining: OperatorTable = {
  Concat: {
    since: 1,
    gradient: true,
    run: (inputs, context) => [concatenate(inputs as readonly OnnxValue[], context.int("axis", 1))],
  },
  Split: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = inputs[0]!;
      const axis = axisOf(context.int("axis", 0), x.shape.length);
      const length = x.shape[axis]!;
      const given = optionalInts(context, "split") ?? numbersAt(inputs, 1, "the lengths of Split");
      const sizes = given ?? equalParts(length, context.int("num_outputs", context.outputs));
      if (!isHost(x)) return tf.split(x, sizes, axis);
      let start = 0;
      return sizes.map((count) => {
        const part = takeSpans(x, [{ axis, start, step: 1, count }]);
        start += count;
        return part;
      });
    },
  },
  Slice: {
    since: 1,
    gradient: true,
    run: (inputs, context) => [takeSpans(inputs[0]!, spansOf(inputs, context))],
  },
};

export function concatenate(values: readonly OnnxValue[], axis: number): OnnxValue {
  const dimension = axisOf(axis, values[0]!.shape.length);
  if (!allHost(values)) {
    if (values.length === 1) return values[0]!;
    return tf.concat(
      values.map((_, i) => tensorAt(values, i)),
      dimension,
    );
  }
  const lengths = values[0]!.shape.map((length, i) =>
    i === dimension ? values.reduce((sum, { shape }) => sum + shape[i]!, 0) : length,
  );
  const outer = product(lengths.slice(0, dimension));
  const data: number[] = [];
  for (let row = 0; row < outer; row++) {
    for (const value of values) {
      const width = value.data.length / outer;
      for (let i = 0; i < width; i++) data.push(value.data[row * width + i]!);
    }
  }
  return new HostValue(values[0]!.type, lengths, data);
}

/** As equal as can be: all parts but the last have the same length. */
function equalParts(length: number, count: number): number[] {
  const size = Math.ceil(length / count);
  return range(count).map((i) => Math.max(0, Math.min(size, length - i * size)));
}

function spansOf(inputs: Inputs, context: OperatorContext): Span[] {
  const lengths = inputs[0]!.shape;
  const read = (name: string, position: number): number[] | undefined =>
    optionalInts(context, name) ?? numbersAt(inputs, position, `the ${name} of Slice`);
  const [starts, ends] = [read("starts", 1)!, read("ends", 2)!];
  const axes = (read("axes", 3) ?? range(starts.length)).map((axis) => axisOf(axis, lengths.length));
  const steps = numbersAt(inputs, 4, "the steps of Slice");
  return axes.map((axis, i) => {
    const length = lengths[axis]!;
    const step = steps?.[i] ?? 1;
    const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
    const clamp = (position: number): number =>
      Math.min(Math.max(position < 0 ? position + length : position, low), high);
    const [start, end] = [clamp(starts[i]!), clamp(ends[i]!)];
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

/** The parts of a value that all spans have in common. */
export function takeSpans(x: OnnxValue, spans: readonly Span[]): OnnxValue {
  const lengths = [...x.shape];
  for (const { axis, count } of spans) lengths[axis] = count;
  if (!isHost(x)) return slice(x, lengths, spans);
  const strides = stridesOf(x.shape);
  let offset = 0;
  for (const { axis, start, step } of spans) {
    offset += start * strides[axis]!;
    strides[axis]! *= step;
  }
  return pick(x, lengths, placesOf(lengths, strides, offset));
}

function slice(x: tf.Tensor, lengths: number[], spans: readonly Span[]): tf.Tensor {
  if (lengths.includes(0))
    return tf.slice(
      x,
      lengths.map(() => 0),
      lengths,
    );
  const begins = lengths.map(() => 0);
  const reaches = [...x.shape];
  const strides = lengths.map(() => 1);
  for (const { axis, start, step, count } of spans) {
    const last = start + (count - 1) * step;
    begins[axis] = Math.min(start, last);
    reaches[axis] = Math.abs(last - start) + 1;
    strides[axis] = Math.abs(step);
  }
  const isWhole = reaches.every((length, axis) => length === x.shape[axis]);
  let part = isWhole ? x : tf.slice(x, begins, reaches);
  if (strides.some((stride) => stride !== 1)) {
    part = tf.stridedSlice(
      part,
      lengths.map(() => 0),
      reaches,
      strides,
    );
  }
  const turned = spans.filter(({ step, count }) => step < 0 && count > 1).map(({ axis }) => axis);
  return turned.length === 0 ? part : tf.reverse(part, turned);
}
