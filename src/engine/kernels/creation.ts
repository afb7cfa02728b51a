/** Operators that make arrays from nothing but numbers. */
import * as tf from "@tensorflow/tfjs-core";
import { Generator } from "../../random.js";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, int64s, scalar, Value, type ValueType } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { where } from "./binary.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";
import { physicalAxis } from "./reduction.js";

/** Comparisons that drawing samples may make at once: 256 MiB of booleans. */
const MAX_COMPARISONS = 2 ** 28;

export const creation: Lowerings = {
  Fill: (_inputs, attributes, backend) => {
    const { value, shape } = attributes as { value: number | string; shape: number[] };
    const dtype = (attributes.dtype as tf.DataType | undefined) ?? tf.util.inferDtype(value);
    if (typeof value === "string" || dtype === "string" || dtype === "complex64") return undefined;
    return filled(backend, shape, dtype, Number(value));
  },
  ZerosLike: ({ x }, _attributes, backend) => filled(backend, x!.shape, x!.dtype as ValueType, 0),
  OnesLike: ({ x }, _attributes, backend) => filled(backend, x!.shape, x!.dtype as ValueType, 1),
  Range: (_inputs, { start, stop, step, dtype }, backend) => {
    const [from, to] = [start as number, stop as number];
    const by = to < from && step === 1 ? -1 : (step as number);
    const length = Math.max(0, Math.ceil((to - from) / by));
    const values = tf.util.getTypedArrayFromDType(dtype as "float32", length);
    for (let i = 0; i < length; i++) values[i] = from + i * by;
    const dataId = backend.write(values, [length], dtype as tf.DataType);
    return { dataId, shape: [length], dtype: dtype as tf.DataType };
  },
  LinSpace: (_inputs, { start, stop, num }, backend) => {
    const [from, to, count] = [start as number, stop as number, num as number];
    const step = (to - from) / Math.max(1, count - 1);
    const values = Float32Array.from({ length: count }, (_, i) => from + i * step);
    return { dataId: backend.write(values, [count], "float32"), shape: [count], dtype: "float32" };
  },
  Diag: ({ x }, _attributes, backend) => {
    const size = tf.util.sizeFromShape(x!.shape);
    const value = backend.value(x!);
    const indices = new Value(
      [size],
      "int32",
      Array.from({ length: size }, (_, i) => i),
    );
    const shape = [size, size];
    const isDiagonal = emit("Equal", [reshapeValue(indices, [size, 1]), indices], shape, "bool");
    const square = where(isDiagonal, reshapeValue(value, [size]), scalar(0, value.type), shape);
    return backend.output(
      reshapeValue(square, [...x!.shape, ...x!.shape]),
      [...x!.shape, ...x!.shape],
      value.type,
    );
  },
  /** Draws by inverting the cumulative distribution at uniform numbers, which are seeded and independent for each row. */
  Multinomial: ({ logits }, { numSamples, seed, normalized }, backend) => {
    const [batch, events] = logits!.shape as [number, number];
    const count = numSamples as number;
    if (batch * count * events > MAX_COMPARISONS) return undefined;
    const random = new Generator(seedOf(seed as number));
    const draws = Float32Array.from({ length: batch * count }, () => random.uniform());
    const laid = backend.laid(logits!);
    const axis = physicalAxis(1, 2, laid.order);
    const raw = castTo(laid.value, "float32");
    const probabilities = normalized === true ? raw : emit("Softmax", [raw], raw.shape, "float32", { axis });
    const cumulative = emit("CumSum", [probabilities, int64s([axis])], raw.shape, "float32");
    const rows =
      laid.order === undefined
        ? cumulative
        : emit("Transpose", [cumulative], [batch, events], "float32", { perm: [1, 0] });
    // The last event is what happens if no other does, whatever the sum of all has been rounded to.
    const inputs = [rows, int64s([0]), int64s([events - 1]), int64s([1])];
    const bounds = reshapeValue(emit("Slice", inputs, [batch, events - 1], "float32"), [
      batch,
      1,
      events - 1,
    ]);
    const isPast = emit(
      "LessOrEqual",
      [bounds, backend.feed(draws, [batch, count, 1])],
      [batch, count, events - 1],
      "bool",
    );
    const attributes = { keepdims: 0 };
    const samples = emit(
      "ReduceSum",
      [castTo(isPast, "int32"), int64s([2])],
      [batch, count],
      "int32",
      attributes,
    );
    return backend.output(samples, [batch, count], "int32");
  },
};

/** TF.js draws a seed between 0 and 1 where none is given; generators are seeded with integers. */
function seedOf(seed: number): number {
  return Number.isInteger(seed) ? seed : Math.floor(seed * 2 ** 31);
}

/** A tensor of one repeated value, made where the graph runs. Only 0 and 1 become part of the graph. */
function filled(
  backend: OnnxRuntimeBackend,
  shape: readonly number[],
  dtype: ValueType,
  fill: number,
): tf.TensorInfo {
  const isCommon = fill === 0 || fill === 1 || dtype === "bool";
  const array = dtype === "int32" ? Int32Array.of(fill) : Float32Array.of(fill);
  const one = isCommon ? scalar(fill, dtype) : backend.table(array, []);
  return backend.output(emit("Expand", [one, int64s(shape)], shape, dtype), shape, dtype);
}
