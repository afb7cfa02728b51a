/** Products of matrices one of which is transposed, over the last two axes. */
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, scalar, type Value } from "../graph/value.js";
import { inOrder, reshapeValue } from "../layout.js";

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

/** Of smaller results, or ones with fewer columns, turning an operand takes longer than it saves. */
const WORTHWHILE = { size: 2 ** 12, columns: 32 };

/**
 * aᵀ b. ONNX Runtime's product turns its left operand once for every few columns of the right one, so on the CPU the
 * operand, or the right one and then the product, is turned before, whichever is less to turn where there are many rows: what
 * is computed does not depend on how many.
 *
 * @param a [rows, m]
 * @param b [rows, n]
 * @param uses how many products have this right operand
 * @returns [m, n]
 */
export function productOfColumns(backend: OnnxRuntimeBackend, a: Value, b: Value, uses = 1): Value {
  const m = a.shape[1]!;
  const n = b.shape[1]!;
  const isLarge = m * n >= WORTHWHILE.size && Math.min(m, n) >= WORTHWHILE.columns;
  if (backend.device !== undefined || backend.isExporting || !isLarge)
    return emit("Gemm", [a, b], [m, n], FLOAT, { transA: 1 });
  if (m <= n / uses) return emit("Gemm", [turned(a), b], [m, n], FLOAT);
  return turned(emit("Gemm", [turned(b), a], [n, m], FLOAT));
}

/** A matrix transposed in three dimensions, where ONNX Runtime does not fold it back into the product. */
function turned(value: Value): Value {
  const [rows, columns] = value.shape as [number, number];
  const inThree = reshapeValue(value, [rows, 1, columns]);
  return reshapeValue(inOrder({ value: inThree, order: undefined }, [2, 0, 1]), [columns, rows]);
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
