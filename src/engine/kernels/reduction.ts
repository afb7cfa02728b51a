/** Reductions over axes, which are renamed to wherever memory holds them. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, emitAll, int64s, type Value, type ValueType } from "../graph/value.js";
import { poolBlocks } from "../blocked/pooling.js";
import { identityOrder, reshapeValue, type Laid, type Order } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { Lowering, Lowerings } from "./lowering.js";

export const reduction: Lowerings = {
  Sum: reduce("ReduceSum", (x) => (x.type === "bool" ? castTo(x, "int32") : x)),
  Mean: reduce("ReduceMean", (x) => castTo(x, "float32")),
  Max: reduce("ReduceMax"),
  Min: reduce("ReduceMin"),
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
  LogSoftmax: ({ logits }, { axis }, backend) => {
    const laid = backend.laid(logits!);
    return backend.output(
      alongAxis("LogSoftmax", laid, axis as number),
      logits!.shape,
      "float32",
      laid.order,
    );
  },
  Cumsum: ({ x }, { axis, exclusive, reverse }, backend) => {
    if (x!.dtype === "bool") return undefined;
    const { value, order } = backend.laid(x!);
    const position = physicalAxis(axis as number, x!.shape.length, order);
    const result = emit("CumSum", [value, int64s([position])], value.shape, value.type, {
      exclusive: exclusive ? 1 : 0,
      reverse: reverse ? 1 : 0,
    });
    return backend.output(result, x!.shape, result.type, order);
  },
  TopK: ({ x }, { k, sorted }, backend) => {
    if (x!.dtype === "bool") return undefined;
    const value = backend.value(x!);
    const shape = [...x!.shape.slice(0, -1), k as number];
    const outputs = [
      { shape, type: value.type },
      { shape, type: "int64" as const },
    ];
    const [values, indices] = emitAll("TopK", [value, int64s([k as number])], outputs, {
      sorted: sorted ? 1 : 0,
    });
    return [
      backend.output(values!, shape, value.type),
      backend.output(castTo(indices!, "int32"), shape, "int32"),
    ];
  },
};

/** Where memory holds a logical axis. */
export function physicalAxis(axis: number, rank: number, order: Order): number {
  const logical = axis < 0 ? axis + rank : axis;
  return order === undefined ? logical : order.indexOf(logical);
}

function reduce(operator: string, prepare: (x: Value) => Value = (x) => x, result?: ValueType): Lowering {
  return ({ x }, attributes, backend) => {
    const rank = x!.shape.length;
    const axes = tf.util.parseAxisParam(
      (attributes.axis ?? attributes.reductionIndices ?? null) as number | number[],
      x!.shape,
    );
    const keepDims = attributes.keepDims === true;
    const maybeBlocked = backend.laidMaybeBlocked(x!);
    const shape = keepDims
      ? x!.shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
      : x!.shape.filter((_, axis) => !axes.includes(axis));
    const pooled =
      operator === "ReduceMean" || operator === "ReduceSum"
        ? poolBlocks(operator, maybeBlocked, axes)
        : undefined;
    if (pooled !== undefined) return backend.output(reshapeValue(pooled, shape), shape, "float32");
    const { value: raw, order } = backend.laid(x!);
    const value = prepare(raw);
    if (value.type === "bool") return undefined;
    const physicalOrder = order ?? identityOrder(rank);
    const kept = physicalOrder.filter((axis) => !axes.includes(axis));
    const resultOrder = keepDims ? order : kept.map((axis) => axis - axes.filter((a) => a < axis).length);
    const positions = axes.map((axis) => physicalAxis(axis, rank, order)).sort((a, b) => a - b);
    const physical = resultOrder === undefined ? shape : resultOrder.map((axis) => shape[axis]!);
    let reduced =
      positions.length === 0
        ? value
        : emit(operator, [value, int64s(positions)], physical, value.type, { keepdims: keepDims ? 1 : 0 });
    if (result !== undefined) reduced = castTo(reduced, result);
    return backend.output(reduced, shape, reduced.type, resultOrder);
  };
}

function argReduce(operator: string): Lowering {
  return ({ x }, { axis }, backend) => {
    if (x!.dtype === "bool") return undefined;
    const value = backend.value(x!);
    const [reduced] = tf.util.parseAxisParam(axis as number, x!.shape);
    const shape = x!.shape.filter((_, i) => i !== reduced);
    const index = emit(operator, [value], shape, "int64", { axis: reduced!, keepdims: 0 });
    return backend.output(castTo(index, "int32"), shape, "int32");
  };
}

function alongAxis(operator: string, { value, order }: Laid, axis: number): Value {
  const position = physicalAxis(axis, value.shape.length, order);
  return emit(operator, [value], value.shape, value.type, { axis: position });
}
