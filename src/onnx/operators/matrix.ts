/** Matrix products. */
import * as tf from "@tensorflow/tfjs-core";
import { toTensor } from "../values.js";
import type { OperatorTable } from "./registry.js";

export const matrix: OperatorTable = {
  Gemm: ([a, b, c], context) => {
    const [alpha, beta] = [context.float("alpha", 1), context.float("beta", 1)];
    const product = tf.matMul(
      toTensor(a!),
      toTensor(b!),
      context.int("transA", 0) === 1,
      context.int("transB", 0) === 1,
    );
    const scaled = alpha === 1 ? product : tf.mul(product, alpha);
    if (c === undefined) return [scaled];
    return [tf.add(scaled, beta === 1 ? toTensor(c) : tf.mul(toTensor(c), beta))];
  },
};
