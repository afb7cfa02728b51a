/** An affine map of the last axis and its gradient, in two-dimensional products. */
import { emit, sizeOf, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { sumOfRows } from "./fused_layer_norm.js";
import type { Lowerings } from "./lowering.js";

const FLOAT = "float32";

export const fusedLinear: Lowerings = {
  Linear: ({ x, weight, bias }, _attributes, backend) => {
    const rows = matrix(backend.value(x!));
    const outputs = weight!.shape[0]!;
    const inputs = [rows, backend.value(weight!)];
    if (bias !== undefined) inputs.push(backend.value(bias));
    const product = emit("Gemm", inputs, [rows.shape[0]!, outputs], FLOAT, { transB: 1 });
    const shape = [...x!.shape.slice(0, -1), outputs];
    return backend.output(reshapeValue(product, shape), shape, FLOAT);
  },

  LinearGrad: ({ dy, x, weight }, _attributes, backend) => {
    const [rows, output] = [matrix(backend.value(x!)), matrix(backend.value(dy!))];
    const dx = emit("Gemm", [output, backend.value(weight!)], rows.shape, FLOAT);
    const dweight = emit("Gemm", [output, rows], weight!.shape, FLOAT, { transA: 1 });
    const biasShape = [weight!.shape[0]!];
    return [
      backend.output(reshapeValue(dx, x!.shape), x!.shape, FLOAT),
      backend.output(dweight, weight!.shape, FLOAT),
      backend.output(reshapeValue(sumOfRows(output), biasShape), biasShape, FLOAT),
    ];
  },
};

/** All axes but the last as one. */
function matrix(value: Value): Value {
  const columns = value.shape.at(-1)!;
  return reshapeValue(value, [sizeOf(value.shape) / columns, columns]);
}
