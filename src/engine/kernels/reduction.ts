/** Reductions over axes, which are renamed to wherever memory holds them. */
import * as tf from "@tensorflow/tfjs-core";
import { poolBlocks } from "../blocked/pooling.js";
import { emit, int64s, scalar, type Value, type ValueType } from "../graph/value.js";
import { identityOrder, physicalShape, reshapeValue, type Laid, type Order } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { Lowering, Lowerings } from "./lowering.js";

export const reduction: Lowerings = {
  Sum: pooled("ReduceSum", (x) => (x.type === "bool" ? castTo(x, "int32") : x)),
  Mean: pooled("ReduceMean", (x) => castTo(x, "float32")),
  Max: extremum("ReduceMax"),
  Min: extremum("ReduceMin"),
  LogSumExp: reduce("ReduceLogSumExp"),
  Prod: reduce("ReduceProd", (x) => (x.type === "bool" ? castTo(x, "int32") : x)),
  All: reduce("ReduceMin", (x) => castTo(x, "uint8"), "bool"),
  Any: reduce("ReduceMax", (x) => castTo(x, "uint8"), "bool"),
  ArgMax: argReduce("ArgMax"),
  ArgMin: argReduce("ArgMin"),
  Softmax: ({ logits }, { dim }, backend) => {
    const laid = backend.laid(logits!);
    return backend.output(alongAxis("Softmax", laid, dim as number), logits!.shape, "float32", laid.order);
  },
};

/** Where memory holds a logical axis. */
export function physicalAxis(axis: number, rank: number, order: Order): number {
  const logical = axis < 0 ? axis + rank : axis;
  return order === undefined ? logical : order.indexOf(logical);
}

type Reducer = (x: Value, axes: readonly number[], shape: readonly number[], keepDims: boolean) => Value;

function reduceWith(
  operator: string,
  x: Value,
  axes: readonly number[],
  shape: readonly number[],
  keepDims: boolean,
): Value {
  return emit(operator, [x, int64s(axes)], shape, x.type, { keepdims: keepDims ? 1 : 0 });
}

function reduce(operator: string, prepare: (x: Value) => Value = (x) => x, result?: ValueType): Lowering {
  return reduceBy(prepare, result, (...details) => reduceWith(operator, ...details));
}

/** A reduction that blocked pictures have a pass of their own for. */
function pooled(operator: "ReduceSum" | "ReduceMean", prepare: (x: Value) => Value): Lowering {
  const plain = reduce(operator, prepare);
  return (inputs, attributes, backend) => {
    const x = inputs.x!;
    const { axis, keepDims } = attributes as { axis: number | number[]; keepDims?: boolean };
    const axes = tf.util.parseAxisParam(axis, x.shape);
    const pool = poolBlocks(operator, backend.laidMaybeBlocked(x), axes);
    if (pool === undefined) return plain(inputs, attributes, backend);
    const [reduced] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
    const shape = keepDims === true ? tf.backend_util.expandShapeToKeepDim(reduced, axes) : reduced;
    return backend.output(reshapeValue(pool, shape), shape, "float32");
  };
}

/** ONNX Runtime's extrema pass over NaN. The sum of squares is NaN exactly where there is one. */
function extremum(operator: string): Lowering {
  const ofFloats = reduceBy(
    (x) => x,
    undefined,
    (x, axes, shape, keepDims) => {
      const extreme = reduceWith(operator, x, axes, shape, keepDims);
      if (x.type !== "float32") return extreme;
      const squares = reduceWith("ReduceSumSquare", x, axes, shape, keepDims);
      const isNan = emit("IsNaN", [squares], shape, "bool");
      return emit("Where", [isNan, squares, extreme], shape, "float32");
    },
  );
  const ofBooleans = reduce(operator, (x) => castTo(x, "uint8"), "bool");
  return (inputs, attributes, backend) =>
    (inputs.x!.dtype === "bool" ? ofBooleans : ofFloats)(inputs, attributes, backend);
}

/** Reduces with `reducer`, whose axes and shape are those in memory. */
function reduceBy(prepare: (x: Value) => Value, result: ValueType | undefined, reducer: Reducer): Lowering {
  return ({ x }, attributes, backend) => {
    const rank = x!.shape.length;
    const axes = tf.util.parseAxisParam(
      (attributes.axis ?? attributes.reductionIndices ?? null) as number | number[],
      x!.shape,
    );
    const keepDims = attributes.keepDims === true;
    const shape = keepDims
      ? x!.shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
      : x!.shape.filter((_, axis) => !axes.includes(axis));
    const { value: raw, order } = backend.laid(x!);
    const value = prepare(raw);
    if (value.type === "bool") return undefined;
    const physicalOrder = order ?? identityOrder(rank);
    const kept = physicalOrder.filter((axis) => !axes.includes(axis));
    const resultOrder = keepDims ? order : kept.map((axis) => axis - axes.filter((a) => a < axis).length);
    const positions = axes.map((axis) => physicalAxis(axis, rank, order)).sort((a, b) => a - b);
    const physical = physicalShape(shape, resultOrder);
    let reduced = positions.length === 0 ? value : reducer(value, positions, physical, keepDims);
    if (result !== undefined) reduced = castTo(reduced, result);
    return backend.output(reduced, shape, reduced.type, resultOrder);
  };
}

function argReduce(operator: string): Lowering {
  return ({ x }, { axis }, backend) => {
    if (x!.dtype === "bool") return undefined;
    const raw = backend.value(x!);
    const value = raw.type === "float32" ? withoutNan(raw, operator) : raw;
    const [reduced] = tf.util.parseAxisParam(axis as number, x!.shape);
    const shape = x!.shape.filter((_, i) => i !== reduced);
    const index = emit(operator, [value], shape, "int64", { axis: reduced!, keepdims: 0 });
    return backend.output(castTo(index, "int32"), shape, "int32");
  };
}

/** ONNX Runtime's index of an extremum could be that of a NaN. */
function withoutNan(x: Value, operator: string): Value {
  const worst = scalar(operator === "ArgMax" ? -Infinity : Infinity);
  return emit("Where", [emit("IsNaN", [x], x.shape, "bool"), worst, x], x.shape, "float32");
}

function alongAxis(operator: string, { value, order }: Laid, axis: number): Value {
  const position = physicalAxis(axis, value.shape.length, order);
  return emit(operator, [value], value.shape, value.type, { axis: position });
}
