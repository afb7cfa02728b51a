/** Scans along an axis, and searches in what is sorted. */
import { emit, emitAll, int64s, scalar, Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";
import { physicalAxis } from "./reduction.js";

/** Comparisons that a search may make at once: 256 MiB of booleans. */
const MAX_COMPARISONS = 2 ** 28;

export const scan: Lowerings = {
  Cumsum: ({ x }, { axis, exclusive, reverse }, backend) => {
    const { value: raw, order } = backend.laid(x!);
    const value = raw.type === "bool" ? castTo(raw, "int32") : raw;
    const position = physicalAxis(axis as number, x!.shape.length, order);
    const result = emit("CumSum", [value, int64s([position])], value.shape, value.type, {
      exclusive: exclusive ? 1 : 0,
      reverse: reverse ? 1 : 0,
    });
    return backend.output(result, x!.shape, result.type, order);
  },
  // Always sorted, since ONNX Runtime otherwise gives equal elements in any order.
  TopK: ({ x }, { k }, backend) => {
    if (x!.dtype === "bool") return undefined;
    const value = backend.value(x!);
    const shape = [...x!.shape.slice(0, -1), k as number];
    const outputs = [
      { shape, type: value.type },
      { shape, type: "int64" as const },
    ];
    const [values, indices] = emitAll("TopK", [value, int64s([k as number])], outputs, { sorted: 1 });
    return [
      backend.output(values!, shape, value.type),
      backend.output(castTo(indices!, "int32"), shape, "int32"),
    ];
  },
  Cumprod: ({ x }, { axis, exclusive, reverse }, backend) => {
    const { value: raw, order } = backend.laid(x!);
    const value = raw.type === "bool" ? castTo(raw, "int32") : raw;
    const position = physicalAxis(axis as number, x!.shape.length, order);
    const result = products(value, position, exclusive === true, reverse === true);
    return backend.output(result, x!.shape, result.type, order);
  },
  SearchSorted: ({ sortedSequence, values }, { side }, backend) => {
    const [batch, length] = sortedSequence!.shape as [number, number];
    const [, count] = values!.shape as [number, number];
    if (sortedSequence!.dtype !== values!.dtype || batch * length * count > MAX_COMPARISONS) return undefined;
    const sorted = reshapeValue(backend.value(sortedSequence!), [batch, 1, length]);
    const wanted = reshapeValue(backend.value(values!), [batch, count, 1]);
    const operator = side === "left" ? "Less" : "LessOrEqual";
    const isBefore = emit(operator, [sorted, wanted], [batch, count, length], "bool");
    const attributes = { keepdims: 0 };
    const position = emit(
      "ReduceSum",
      [castTo(isBefore, "int32"), int64s([2])],
      [batch, count],
      "int32",
      attributes,
    );
    return backend.output(position, [batch, count], "int32");
  },
};

/** Running products by doubling: after step i each element holds the product of the 2^i elements up to it. */
function products(x: Value, axis: number, exclusive: boolean, reverse: boolean): Value {
  const length = x.shape[axis]!;
  let result = exclusive ? shift(x, axis, 1, reverse) : x;
  for (let distance = 1; distance < length; distance *= 2) {
    result = emit("Mul", [result, shift(result, axis, distance, reverse)], x.shape, x.type);
  }
  return result;
}

/** Moves the elements along an axis, away from its start or, in reverse, its end; ones take their places. */
function shift(x: Value, axis: number, distance: number, reverse: boolean): Value {
  const length = x.shape[axis]!;
  const kept = Math.max(0, length - distance);
  const shapeOf = (size: number): number[] => x.shape.map((old, i) => (i === axis ? size : old));
  const ones = emit(
    "Expand",
    [scalar(1, x.type), int64s(shapeOf(length - kept))],
    shapeOf(length - kept),
    x.type,
  );
  if (kept === 0) return ones;
  const start = reverse ? length - kept : 0;
  const range = [int64s([start]), int64s([start + kept]), int64s([axis])];
  const moved = emit("Slice", [x, ...range], shapeOf(kept), x.type);
  return emit("Concat", reverse ? [moved, ones] : [ones, moved], x.shape, x.type, { axis });
}
