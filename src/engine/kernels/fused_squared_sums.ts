/** Sums of squares, whatever the layout. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, int64s, type Value } from "../graph/value.js";
import type { Lowerings } from "./lowering.js";

/** ONNX Runtime reduces to one number on one thread: more elements are reduced to one for each row first. */
const SMALL = 2 ** 14;

export const fusedSquaredSums: Lowerings = {
  SquaredSums: (inputs, _attributes, backend) =>
    Object.values(inputs).map((tensor) => {
      const sum = squaredSum(backend.laidMaybeBlocked(tensor).value);
      return backend.output(sum, [], "float32");
    }),
};

function squaredSum(value: Value): Value {
  const [rows = 1, ...row] = value.shape;
  const axes = value.shape.map((_, axis) => axis);
  if (rows === 1 || tf.util.sizeFromShape([rows, ...row]) < SMALL || row.length === 0) {
    return reduce("ReduceSumSquare", value, axes, []);
  }
  return reduce("ReduceSum", reduce("ReduceSumSquare", value, axes.slice(1), [rows]), [0], []);
}

function reduce(operator: string, value: Value, axes: readonly number[], shape: readonly number[]): Value {
  return emit(operator, [value, int64s(axes)], shape, "float32", { keepdims: 0 });
}
