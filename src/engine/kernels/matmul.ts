/** Matrix products. A transposed operand, whether asked for or a matter of memory, is a flag of the product. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, type Value } from "../graph/value.js";
import { identityOrder, inOrder, type Laid } from "../layout.js";
import type { Lowerings } from "./lowering.js";

export const matmul: Lowerings = {
  BatchMatMul: ({ a, b }, { transposeA, transposeB }, backend) => {
    if (a!.dtype !== "float32" || b!.dtype !== "float32") return undefined;
    const left = asMatrices(backend.laid(a!), transposeA === true);
    const right = asMatrices(backend.laid(b!), transposeB === true);
    const [rows] = matrixShape(left);
    const [, columns] = matrixShape(right);
    const batch = tf.broadcast_util.assertAndGetBroadcastShape(
      left.value.shape.slice(0, -2),
      right.value.shape.slice(0, -2),
    );
    const shape = [...batch, rows, columns];
    const value = product(left, right, shape);
    return backend.output(value, shape, "float32");
  },
  Einsum: (inputs, { equation }, backend) => {
    const operands = Object.values(inputs);
    if (operands.some((operand) => operand.dtype !== "float32")) return undefined;
    const shape = einsumShape(equation as string, operands);
    const values = operands.map((operand) => backend.value(operand));
    return backend.output(
      emit("Einsum", values, shape, "float32", { equation: equation as string }),
      shape,
      "float32",
    );
  },
};

function einsumShape(equation: string, operands: readonly tf.TensorInfo[]): number[] {
  const [terms, result] = equation.replaceAll(" ", "").split("->") as [string, string];
  const lengths = new Map<string, number>();
  terms
    .split(",")
    .forEach((term, i) => [...term].forEach((label, axis) => lengths.set(label, operands[i]!.shape[axis]!)));
  return [...result].map((label) => lengths.get(label)!);
}

interface Matrices {
  value: Value;
  transposed: boolean;
}

function asMatrices(laid: Laid, transpose: boolean): Matrices {
  const rank = laid.value.shape.length;
  const swapped = identityOrder(rank);
  [swapped[rank - 2], swapped[rank - 1]] = [rank - 1, rank - 2];
  const isSwapped = laid.order !== undefined && laid.order.every((axis, i) => axis === swapped[i]);
  if (isSwapped) return { value: laid.value, transposed: !transpose };
  return { value: inOrder(laid, undefined), transposed: transpose };
}

function matrixShape({ value, transposed }: Matrices): [number, number] {
  const [rows, columns] = value.shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

function product(left: Matrices, right: Matrices, shape: number[]): Value {
  if (shape.length === 2) {
    const attributes = { transA: left.transposed ? 1 : 0, transB: right.transposed ? 1 : 0 };
    return emit("Gemm", [left.value, right.value], shape, "float32", attributes);
  }
  return emit("MatMul", [plain(left), plain(right)], shape, "float32");
}

/** The matrices as they are meant; ONNX Runtime folds the transpose into the product. */
function plain({ value, transposed }: Matrices): Value {
  if (!transposed) return value;
  const rank = value.shape.length;
  const order = identityOrder(rank);
  [order[rank - 2], order[rank - 1]] = [rank - 1, rank - 2];
  return inOrder({ value, order: undefined }, order);
}
