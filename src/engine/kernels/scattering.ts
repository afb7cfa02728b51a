/** Writing by index: scattering, sums of segments, counts. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, int64s, scalar, sizeOf, Value, type ValueType } from "../graph/value.js";
import { identityOrder, reshapeValue } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";

export const scattering: Lowerings = {
  ScatterNd: ({ indices, updates }, attributes, backend) => {
    const shape = attributes.shape as number[];
    if (updates!.dtype === "bool") return undefined;
    const [positions, rows] = scatterRows(backend, updates!, indices!, shape);
    return backend.output(scatterAdd(positions, rows, shape, rows.type), shape, rows.type);
  },
  TensorScatterUpdate: ({ tensor, indices, updates }, _attributes, backend) => {
    const { shape } = tensor!;
    const target = backend.value(tensor!);
    if (updates!.shape.includes(0)) return backend.output(target, shape, target.type);
    const [positions, rows] = scatterRows(backend, updates!, indices!, shape);
    const value = emit("ScatterND", [target, positions, rows], shape, target.type);
    return backend.output(value, shape, value.type);
  },
  SparseToDense: ({ sparseIndices, sparseValues, defaultValue }, { outputShape }, backend) => {
    const shape = outputShape as number[];
    const [positions, rows] = scatterRows(backend, sparseValues!, sparseIndices!, shape);
    const filling = reshapeValue(backend.value(defaultValue!), []);
    const background = emit("Expand", [filling, int64s(shape)], shape, rows.type);
    const value = emit("ScatterND", [background, positions, rows], shape, rows.type);
    return backend.output(value, shape, value.type);
  },

  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }, backend) => {
    if (x!.dtype === "bool") return undefined;
    const count = numSegments as number;
    const inner = x!.shape.slice(segmentIds!.shape.length);
    const length = tf.util.sizeFromShape(segmentIds!.shape);
    const ids = reshapeValue(backend.value(segmentIds!), [length]);
    const rows = reshapeValue(backend.value(x!), [length, ...inner]);
    const sums = segmentSum(ids, rows, count);
    return backend.output(sums, [count, ...inner], sums.type);
  },
  Bincount: ({ x, weights }, { size }, backend) => {
    const ids = reshapeValue(castTo(backend.value(x!), "int32"), [tf.util.sizeFromShape(x!.shape)]);
    const count = size as number;
    const isWeighted = !weights!.shape.includes(0);
    const type = weights!.dtype === "bool" ? "int32" : (weights!.dtype as ValueType);
    const rows = isWeighted
      ? reshapeValue(castTo(backend.value(weights!), type), [ids.size])
      : emit("Expand", [scalar(1, type), int64s([ids.size])], [ids.size], type);
    if (ids.size === 0) return undefined;
    return backend.output(segmentSum(ids, rows, count), [count], type);
  },
  DenseBincount: ({ x, weights }, { size, binaryOutput }, backend) => {
    if (x!.shape.includes(0)) return undefined;
    const shape = [...x!.shape.slice(0, -1), size as number];
    const batch = tf.util.sizeFromShape(shape.slice(0, -1));
    const length = x!.shape.at(-1)!;
    const count = size as number;
    const type: ValueType = weights!.dtype === "float32" ? "float32" : "int32";
    const numbers = reshapeValue(castTo(backend.value(x!), "int32"), [batch, length]);
    // Row after row on one axis; numbers that are too large go nowhere.
    const starts = new Value(
      [batch, 1],
      "int32",
      identityOrder(batch).map((row) => row * count),
    );
    const isCounted = emit("Less", [numbers, scalar(count, "int32")], numbers.shape, "bool");
    const shifted = emit("Add", [numbers, starts], numbers.shape, "int32");
    const ids = emit("Where", [isCounted, shifted, scalar(-1, "int32")], numbers.shape, "int32");
    const isWeighted = !weights!.shape.includes(0) && binaryOutput !== true;
    const rows = isWeighted
      ? reshapeValue(castTo(backend.value(weights!), type), [ids.size])
      : emit("Expand", [scalar(1, type), int64s([ids.size])], [ids.size], type);
    let counts = segmentSum(reshapeValue(ids, [ids.size]), rows, batch * count);
    if (binaryOutput === true) counts = emit("Min", [counts, scalar(1, type)], counts.shape, type);
    return backend.output(reshapeValue(counts, shape), shape, type);
  },
};

/** Sums the rows of each segment: [length, ...] to [count, ...]. Rows whose id is outside belong to no segment. */
export function segmentSum(ids: Value, rows: Value, count: number): Value {
  const isNegative = emit("Less", [ids, scalar(0, "int32")], ids.shape, "bool");
  const isLarge = emit("GreaterOrEqual", [ids, scalar(count, "int32")], ids.shape, "bool");
  const isOutside = emit("Or", [isNegative, isLarge], ids.shape, "bool");
  const positions = emit("Where", [isOutside, scalar(0, "int32"), ids], ids.shape, "int32");
  const column = reshapeValue(isOutside, [ids.size, ...rows.shape.slice(1).map(() => 1)]);
  const counted = emit("Where", [column, scalar(0, rows.type), rows], rows.shape, rows.type);
  const targets = castTo(reshapeValue(positions, [ids.size, 1]), "int64");
  return scatterAdd(targets, counted, [count, ...rows.shape.slice(1)], rows.type);
}

/**
 * Adds rows where they belong. ONNX Runtime's ScatterND adds on several threads without a lock, and loses what two of them add
 * to one row at once; its ScatterElements uses one thread.
 *
 * @param positions int64 [rows, k]: along the first k axes of the shape
 */
export function scatterAdd(
  positions: Value,
  updates: Value,
  shape: readonly number[],
  type: ValueType,
  zero = scalar(0, type),
): Value {
  const [rows, depth] = positions.shape as [number, number];
  const outer = sizeOf(shape.slice(0, depth));
  const inner = sizeOf(shape.slice(depth));
  const zeros = emit("Expand", [zero, int64s([outer, inner])], [outer, inner], type);
  const row = depth === 1 ? positions : rowOf(positions, shape);
  const everywhere = emit("Expand", [row, int64s([rows, inner])], [rows, inner], "int64");
  const inputs = [zeros, everywhere, reshapeValue(updates, [rows, inner])];
  const sums = emit("ScatterElements", inputs, [outer, inner], type, { axis: 0, reduction: "add" });
  return reshapeValue(sums, shape);
}

/** Positions along several axes as those along one: int64 [rows, 1]. */
function rowOf(positions: Value, shape: readonly number[]): Value {
  const [rows, depth] = positions.shape as [number, number];
  const strides = int64s(shape.slice(0, depth).map((_, axis) => sizeOf(shape.slice(axis + 1, depth))));
  const offsets = emit("Mul", [positions, reshapeValue(strides, [1, depth])], [rows, depth], "int64");
  return emit("ReduceSum", [offsets, int64s([1])], [rows, 1], "int64", { keepdims: 1 });
}

/** Positions and rows in the shapes in which ONNX wants a scatter; TF.js also takes indices as a vector, and one number. */
function scatterRows(
  backend: OnnxRuntimeBackend,
  updates: tf.TensorInfo,
  indices: tf.TensorInfo,
  shape: number[],
): [positions: Value, rows: Value] {
  const { sliceRank, numUpdates } = tf.backend_util.calculateShapes(updates, indices, shape);
  const positions = castTo(reshapeValue(backend.value(indices), [numUpdates, sliceRank]), "int64");
  const rowsShape = [numUpdates, ...shape.slice(sliceRank)];
  const value = backend.value(updates);
  const rows =
    value.shape.length === 0
      ? emit("Expand", [value, int64s(rowsShape)], rowsShape, value.type)
      : reshapeValue(value, rowsShape);
  return [positions, rows];
}
