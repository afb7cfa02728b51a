/** Products of matrices one of which is transposed, over the last two axes. */
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, scalar, type Value } from "../graph/value.js";

const FLOAT = "float32";

interface Flags {
  transA?: 0 | 1;
  transB?: 0 | 1;
  alpha?: number;
}

/** alpha · a b. The CPU's own operator has the transposes and the factor for nothing; not every device has it, nor the standard. */
export function transposedProduct(
  backend: OnnxRuntimeBackend,
  a: Value,
  b: Value,
  { transA = 0, transB = 0, alpha = 1 }: Flags,
): Value {
  const shape = [...a.shape.slice(0, -2), a.shape.at(transA ? -1 : -2)!, b.shape.at(transB ? -2 : -1)!];
  if (backend.device === undefined && !backend.isExporting) {
    const attributes = { transA, transB, alpha: { float: alpha } };
    return emit("com.microsoft:FusedMatMul", [a, b], shape, FLOAT, attributes);
  }
  const operands = [transA ? transpose(a) : a, transB ? transpose(b) : b];
  const product = emit("MatMul", operands, shape, FLOAT);
  return alpha === 1 ? product : emit("Mul", [product, scalar(alpha)], shape, FLOAT);
}

function transpose(value: Value): Value {
  const rank = value.shape.length;
  const perm = value.shape.map((_, axis) => axis);
  perm.splice(rank - 2, 2, rank - 1, rank - 2);
  return emit(
    "Transpose",
    [value],
    perm.map((axis) => value.shape[axis]!),
    FLOAT,
    { perm },
  );
}
