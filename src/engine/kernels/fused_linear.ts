/** Affine maps of the last axis and their gradients, in two-dimensional products. */
import type * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, sizeOf, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { sumOfRows } from "./fused_layer_norm.js";
import type { Lowerings } from "./lowering.js";
import { productOfColumns } from "./transposed_product.js";

const FLOAT = "float32";

export const fusedLinear: Lowerings = {
  Linear: ({ x, weight, bias }, _attributes, backend) => affine(backend, x!, weight!, bias),

  LinearGrad: ({ dy, x, weight }, _attributes, backend) => {
    const dx = inputGradient(backend, [dy!], [weight!]);
    return [
      output(backend, dx, x!.shape),
      weightGradient(backend, dy!, x!),
      biasGradient(backend, dy!, weight!.shape[0]!),
    ];
  },

  Projections: ({ x, weight0, weight1, weight2, bias0, bias1, bias2 }, _attributes, backend) => [
    affine(backend, x!, weight0!, bias0),
    affine(backend, x!, weight1!, bias1),
    affine(backend, x!, weight2!, bias2),
  ],

  ProjectionsGrad: ({ x, weight0, weight1, weight2, dy0, dy1, dy2 }, _attributes, backend) => {
    const weights = [weight0!, weight1!, weight2!];
    const dys = [dy0!, dy1!, dy2!];
    return [
      output(backend, inputGradient(backend, dys, weights), x!.shape),
      ...dys.map((dy) => weightGradient(backend, dy, x!, dys.length)),
      ...dys.map((dy, i) => biasGradient(backend, dy, weights[i]!.shape[0]!)),
    ];
  },
};

function affine(
  backend: OnnxRuntimeBackend,
  x: tf.TensorInfo,
  weight: tf.TensorInfo,
  bias: tf.TensorInfo | undefined,
): tf.TensorInfo {
  const rows = matrix(backend.value(x));
  const outputs = weight.shape[0]!;
  const inputs = [rows, backend.value(weight)];
  if (bias !== undefined) inputs.push(backend.value(bias));
  const product = emit("Gemm", inputs, [rows.shape[0]!, outputs], FLOAT, { transB: 1 });
  return output(backend, product, [...x.shape.slice(0, -1), outputs]);
}

/** Σ dy · weight, each product on top of the one before. */
function inputGradient(
  backend: OnnxRuntimeBackend,
  dys: readonly tf.TensorInfo[],
  weights: readonly tf.TensorInfo[],
): Value {
  let sum: Value | undefined;
  dys.forEach((dy, i) => {
    const factors = [matrix(backend.value(dy)), backend.value(weights[i]!)];
    const shape = [factors[0]!.shape[0]!, weights[i]!.shape[1]!];
    sum = emit("Gemm", sum === undefined ? factors : [...factors, sum], shape, FLOAT);
  });
  return sum!;
}

/** @param uses how many gradients have this `x` */
function weightGradient(
  backend: OnnxRuntimeBackend,
  dy: tf.TensorInfo,
  x: tf.TensorInfo,
  uses = 1,
): tf.TensorInfo {
  const product = productOfColumns(backend, matrix(backend.value(dy)), matrix(backend.value(x)), uses);
  return output(backend, product, product.shape);
}

function biasGradient(backend: OnnxRuntimeBackend, dy: tf.TensorInfo, outputs: number): tf.TensorInfo {
  return output(backend, sumOfRows(matrix(backend.value(dy))), [outputs]);
}

function output(backend: OnnxRuntimeBackend, value: Value, shape: readonly number[]): tf.TensorInfo {
  return backend.output(reshapeValue(value, shape), shape, FLOAT);
}

/** All axes but the last as one. */
function matrix(value: Value): Value {
  const columns = value.shape.at(-1)!;
  return reshapeValue(value, [sizeOf(value.shape) / columns, columns]);
}
