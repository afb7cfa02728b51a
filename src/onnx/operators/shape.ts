/** Operators that look at shapes, and that change them. */
import * as tf from "@tensorflow/tfjs-core";
import { sizeOf } from "../format/element_types.js";
import { HostValue, isHost, toHost, toTensor, type OnnxValue } from "../values.js";
import type { OperatorTable } from "./registry.js";

export const shape: OperatorTable = {
  Identity: ([x]) => [x!],
  Shape: ([x], context) => {
    const start = context.int("start", 0);
    const end = context.has("end") ? context.int("end") : undefined;
    return [HostValue.integers(x!.shape.slice(start, end))];
  },
  Reshape: ([x, target], context) => {
    const lengths =
      context.opset < 5
        ? context.ints("shape")
        : Array.from(toHost(target!, `The shape of ${context.name}`).data);
    const keepsZeros = context.int("allowzero", 0) === 1;
    return [reshape(x!, resolveShape(x!.shape, lengths, keepsZeros))];
  },
  Flatten: ([x], context) => {
    const axis = context.int("axis", 1);
    const lengths = x!.shape;
    const split = axis < 0 ? axis + lengths.length : axis;
    return [reshape(x!, [sizeOf(lengths.slice(0, split)), sizeOf(lengths.slice(split))])];
  },
};

function reshape(value: OnnxValue, lengths: number[]): OnnxValue {
  if (isHost(value)) return new HostValue(value.type, lengths, value.data, value.isConstant);
  return tf.reshape(toTensor(value), lengths);
}

/** 0 copies a length, -1 takes what is left. */
function resolveShape(from: readonly number[], to: readonly number[], keepsZeros: boolean): number[] {
  const lengths = to.map((length, axis) => (length === 0 && !keepsZeros ? from[axis]! : length));
  const unknown = lengths.indexOf(-1);
  if (unknown < 0) return lengths;
  const known = sizeOf(lengths.filter((_, axis) => axis !== unknown));
  lengths[unknown] = known === 0 ? 0 : sizeOf(from) / known;
  return lengths;
}
