/** Matrix products. A transposed operand, whether asked for or a matter of memory, is a flag of the product. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, type Value } from "../graph/value.js";
import { identityOrder, inOrder, type Laid } from "../layout.js";
import type { OnnxRuntimeBackend } from "../backend.js";
import * as math from "./arithmetic.js";
import { activate } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";
import { productOfColumns } from "./transposed_product.js";

export const matmul: Lowerings = {
  BatchMatMul: ({ a, b }, { transposeA, transposeB }, backend) => {
    if (a!.dtype !== b!.dtype || a!.dtype === "bool") return undefined;
    tf.util.assert(
      a!.shape.length >= 2 && b!.shape.length >= 2,
      () =>
        `matMul: both must have two axes or more, but have [${a!.shape.join()}] and [${b!.shape.join()}].`,
    );
    const value = matrixProduct(backend, a!, b!, transposeA === true, transposeB === true);
    return backend.output(value, value.shape, value.type);
  },
  _FusedMatMul: ({ a, b, bias, preluActivationWeights }, attributes, backend) => {
    if (a!.dtype !== "float32" || b!.dtype !== "float32") return undefined;
    let value = matrixProduct(
      backend,
      a!,
      b!,
      attributes.transposeA === true,
      attributes.transposeB === true,
    );
    if (bias != null) value = math.add(value, backend.value(bias));
    const slope = preluActivationWeights == null ? undefined : backend.value(preluActivationWeights);
    const activated = activate(
      value,
      attributes.activation as string,
      attributes.leakyreluAlpha as number | undefined,
      slope,
    );
    return activated && backend.output(activated, value.shape, "float32");
  },
};

/** Matrices [batch..., rows, columns], or [batch..., columns, rows] where transposed. */
export interface Matrices {
  value: Value;
  transposed: boolean;
}

function matrixProduct(
  backend: OnnxRuntimeBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
): Value {
  const left = asMatrices(backend.laid(a), transposeA);
  const right = asMatrices(backend.laid(b), transposeB);
  const [rows, inner] = matrixShape(left);
  const [otherInner, columns] = matrixShape(right);
  tf.util.assert(
    inner === otherInner,
    () =>
      `matMul: [${a.shape.join()}]${transposeA ? " transposed" : ""} and ` +
      `[${b.shape.join()}]${transposeB ? " transposed" : ""} have inner lengths ${inner} and ${otherInner}, ` +
      `which must be equal.`,
  );
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(
    left.value.shape.slice(0, -2),
    right.value.shape.slice(0, -2),
  );
  const shape = [...batch, rows, columns];
  const isTurned = left.transposed && !right.transposed && shape.length === 2;
  if (isTurned && left.value.type === "float32") return productOfColumns(backend, left.value, right.value);
  return product(left, right, shape);
}

function asMatrices(laid: Laid, transpose: boolean): Matrices {
  const rank = laid.value.shape.length;
  const swapped = swapLast(rank);
  const isSwapped = laid.order !== undefined && laid.order.every((axis, i) => axis === swapped[i]);
  if (isSwapped) return { value: laid.value, transposed: !transpose };
  return { value: inOrder(laid, undefined), transposed: transpose };
}

function matrixShape({ value, transposed }: Matrices): [number, number] {
  const [rows, columns] = value.shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

/** The product in the given shape. */
export function product(left: Matrices, right: Matrices, shape: readonly number[]): Value {
  const { type } = left.value;
  if (shape.length === 2 && type === "float32") {
    const attributes = { transA: left.transposed ? 1 : 0, transB: right.transposed ? 1 : 0 };
    return emit("Gemm", [left.value, right.value], shape, type, attributes);
  }
  return emit("MatMul", [plain(left), plain(right)], shape, type);
}

/** The matrices as they are meant; ONNX Runtime folds the transpose into the product. */
function plain({ value, transposed }: Matrices): Value {
  return transposed ? inOrder({ value, order: undefined }, swapLast(value.shape.length)) : value;
}

/** The order of axes that exchanges the last two. */
function swapLast(rank: number): number[] {
  return [...identityOrder(rank - 2), rank - 1, rank - 2];
}
