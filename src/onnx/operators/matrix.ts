/** Matrix products, Einstein sums, determinants. */
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "../../nn/functional/linear.js";
import type { OperatorContext } from "./context.js";
import { einsum } from "./einsum.js";
import { broadcastShapes } from "./host.js";
import { expandTo, floatAt, optionalTensor, range, type Inputs, type OperatorTable } from "./operator.js";

export const matrix: OperatorTable = {
  MatMul: { since: 1, gradient: true, run: (inputs) => [matMul(floatAt(inputs, 0), floatAt(inputs, 1))] },
  Gemm: { since: 1, gradient: true, run: (inputs, context) => [gemm(inputs, context)] },
  Einsum: {
    since: 12,
    gradient: true,
    run: (inputs, context) => [
      einsum(
        context.string("equation"),
        inputs.map((_, i) => floatAt(inputs, i)),
      ),
    ],
  },
  Det: {
    since: 11,
    gradient: true,
    notes: "By expansion: meant for small matrices.",
    run: (inputs) => [determinant(floatAt(inputs, 0))],
  },
};

/** As NumPy's matmul: vectors are rows or columns, leading axes broadcast. */
export function matMul(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  if (a.rank === 1 || b.rank === 1) {
    const result = matMul(a.rank === 1 ? tf.expandDims(a, 0) : a, b.rank === 1 ? tf.expandDims(b, 1) : b);
    const gone = [...(a.rank === 1 ? [result.rank - 2] : []), ...(b.rank === 1 ? [result.rank - 1] : [])];
    return tf.reshape(
      result,
      result.shape.filter((_, axis) => !gone.includes(axis)),
    );
  }
  if (b.rank === 2) return linear(a, tf.transpose(b));
  const leading = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
  return tf.matMul(
    expandTo(a, [...leading, ...a.shape.slice(-2)]),
    expandTo(b, [...leading, ...b.shape.slice(-2)]),
  );
}

export function gemm(inputs: Inputs, context: OperatorContext): tf.Tensor {
  const [alpha, beta] = [context.float("alpha", 1), context.float("beta", 1)];
  const [a, b, c] = [floatAt(inputs, 0), floatAt(inputs, 1), optionalTensor(inputs, 2)];
  const left = context.int("transA", 0) === 0 ? a : tf.transpose(a);
  const weight = context.int("transB", 0) === 0 ? tf.transpose(b) : b;
  const isBias = c !== undefined && alpha === 1 && beta === 1 && c.rank === 1 && c.size === weight.shape[0];
  if (isBias) return linear(left, weight, c);
  const product = linear(left, weight);
  const scaled = alpha === 1 ? product : tf.mul(product, alpha);
  if (c === undefined) return scaled;
  return tf.add(scaled, beta === 1 ? c : tf.mul(c, beta));
}

/** Along the first row, with the determinants of what is left without its row and column. */
function determinant(x: tf.Tensor): tf.Tensor {
  const size = x.shape.at(-1)!;
  const leading = x.shape.slice(0, -2);
  const zeros = leading.map(() => 0);
  if (size === 1) return tf.reshape(x, leading);
  const below = tf.slice(x, [...zeros, 1, 0], [...leading, size - 1, size]);
  const columns = tf.split(below, size, -1);
  const terms = range(size).map((column) => {
    const factor = tf.reshape(tf.slice(x, [...zeros, 0, column], [...leading, 1, 1]), leading);
    const minor = tf.concat(
      columns.filter((_, i) => i !== column),
      -1,
    );
    return tf.mul(factor, tf.mul(determinant(minor), column % 2 === 0 ? 1 : -1));
  });
  return terms.reduce((sum, term) => tf.add(sum, term));
}
