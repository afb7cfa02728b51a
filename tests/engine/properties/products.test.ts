/** Products of matrices and Einstein sums against TF.js's cpu backend, on any batch, transposition, layout and type. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import "../../../src/engine/index.js";
import type { Argument, Operation } from "../../support/compare_backends.js";
import { expectAgreement, holds, length, tensorOf, type TensorValues } from "../../support/arbitraries.js";
import { provesCoverage } from "../../support/kernel_coverage.js";

afterEach(() => tf.setBackend("onnxruntime"));

const few = fc.integer({ min: 1, max: 3 });
const activations = fc.constantFrom("linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu");

interface Product {
  a: Argument;
  b: Argument;
  transposeA: boolean;
  transposeB: boolean;
  columns: number;
}

/** Matrices that can be multiplied, whose leading axes broadcast. */
function products(values: TensorValues = {}, batches = 2): fc.Arbitrary<Product> {
  return fc
    .record({
      batch: fc.array(few, { maxLength: batches }),
      single: fc.subarray([0, 1]),
      sizes: fc.tuple(length, length, length),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
    })
    .chain(({ batch, single, sizes: [rows, inner, columns], transposeA, transposeB }) => {
      const left = [...batch, ...(transposeA ? [inner, rows] : [rows, inner])];
      const batchB = batch.map((size, i) => (single.includes(i) ? 1 : size));
      const right = [...batchB, ...(transposeB ? [columns, inner] : [inner, columns])];
      return fc.record({
        a: tensorOf(left, values),
        b: tensorOf(right, values),
        transposeA: fc.constant(transposeA),
        transposeB: fc.constant(transposeB),
        columns: fc.constant(columns),
      });
    });
}

describe("products of matrices", () => {
  it("with transposes and batches that broadcast", () => {
    holds(
      products(),
      ({ a, b, transposeA, transposeB }) => {
        // TF.js's gradient forgets that a batch was broadcast.
        const gradients = a.shape.length === 2 || tf.util.sizeFromShape(a.shape) === 0;
        const operation: Operation = (x, y) => {
          // The cpu backend counts batches through, which broadcasts the first of their axes only.
          const batch = tf.getBackend() === "cpu" ? x.shape.slice(0, -2) : y.shape.slice(0, -2);
          return tf.matMul(x, tf.broadcastTo(y, [...batch, ...y.shape.slice(-2)]), transposeA, transposeB);
        };
        expectAgreement(operation, [a, b], { gradients });
      },
      20,
    );
  });

  it("of whole numbers", () => {
    holds(products({ dtype: "int32", low: -9, high: 9 }, 1), ({ a, b, transposeA, transposeB }) => {
      expectAgreement((x, y) => tf.matMul(x, y, transposeA, transposeB), [a, b], { gradients: false });
    });
  });

  it("of three axes, with the gradient", () => {
    const inputs = fc.tuple(few, length, length, length);
    holds(inputs, ([batch, rows, inner, columns]) => {
      expectAgreement(
        (x, y) => tf.matMul(x, y, false, true),
        [{ shape: [batch, rows, inner] }, { shape: [batch, columns, inner] }],
      );
    });
  });

  it("with bias and activation", () => {
    const inputs = fc.tuple(products({}, 1), activations, fc.constantFrom("none", "vector", "scalar"));
    holds(
      inputs,
      ([{ a, b, transposeA, transposeB, columns }, activation, kind]) => {
        const bias: Argument[] = kind === "none" ? [] : [{ shape: kind === "vector" ? [columns] : [] }];
        const slope: Argument[] = activation === "prelu" ? [{ shape: [columns] }] : [];
        expectAgreement(
          (x, y, ...rest) =>
            tf.fused.matMul({
              a: x,
              b: y,
              transposeA,
              transposeB,
              activation: activation,
              ...(bias.length > 0 && { bias: rest[0]! }),
              ...(slope.length > 0 && { preluActivationWeights: rest.at(-1)! }),
              ...(activation === "leakyrelu" && { leakyreluAlpha: 0.3 }),
            }),
          [a, b, ...bias, ...slope],
          { gradients: false, fallbacks: a.shape.includes(0) || b.shape.includes(0) },
        );
      },
      25,
    );
  });

  it("with bias, and its gradient", () => {
    const inputs = fc.tuple(length, length, few, fc.constantFrom("linear" as const, "relu" as const));
    holds(inputs, ([rows, inner, columns, activation]) => {
      expectAgreement(
        (a, b, bias) => tf.fused.matMul({ a, b, bias, activation }),
        [{ shape: [rows, inner] }, { shape: [inner, columns] }, { shape: [columns] }],
        { fallbacks: rows * inner === 0 },
      );
    });
  });
});

describe("Einstein sums", () => {
  const equations = [
    ["ij,jk->ik", "ij,jk->ki", "bij,bjk->bik", "bij,bkj->bik", "bhqd,bhkd->bhqk", "bqhd,bkhd->bhqk"],
    ["bhqk,bkhd->bqhd", "i,j->ij", "i,i->", "ij,ij->ij", "ij,j->i", "abc,cde->abde", "ij->ji", "ij->i"],
    ["ijk->", "ij->", "bij,jk->bik", "ab,cd->abcd", "abc,b->ca", "aij,ij->a"],
  ].flat();

  it.each(equations)("%s", (equation) => {
    const [terms] = equation.split("->") as [string];
    const names = [...new Set(terms.replace(",", ""))];
    const inputs = fc
      .array(fc.integer({ min: 1, max: 4 }), { minLength: names.length, maxLength: names.length })
      .chain((sizes) =>
        fc.tuple(
          ...terms.split(",").map((term) => tensorOf([...term].map((name) => sizes[names.indexOf(name)]!))),
        ),
      );
    holds(inputs, (args) => expectAgreement((...tensors) => tf.einsum(equation, ...tensors), args), 3);
  });
});

provesCoverage("products");
