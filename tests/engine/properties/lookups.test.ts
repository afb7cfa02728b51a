/** Reading and writing by index, counting and searching against TF.js's cpu backend. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import "../../../src/engine/index.js";
import {
  expectAgreement,
  fullShapes,
  holds,
  shapes,
  tensorOf,
  type TensorValues,
} from "../../support/arbitraries.js";
import type { Argument } from "../../support/compare_backends.js";
import { expectDerivatives } from "../../support/finite_differences.js";
import { provesCoverage } from "../../support/kernel_coverage.js";

afterEach(() => tf.setBackend("onnxruntime"));

const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const withoutGradient = { gradients: false };
const onCpu = { gradients: false, fallbacks: true };
const whole: TensorValues = { dtype: "int32", low: -9, high: 9 };
const types = fc.constantFrom<TensorValues[]>({}, whole);

describe("gathering", () => {
  it("along any axis, with batches", () => {
    const inputs = fullShapes(1, 4).chain((shape) =>
      fc.tuple(integer(0, shape.length - 1), types).chain(([axis, values]) =>
        fc.tuple(
          tensorOf(shape, values),
          fc.tuple(integer(0, axis), shapes(0, 2)).chain(([batchDims, own]) =>
            fc.tuple(
              tensorOf([...shape.slice(0, batchDims), ...own], {
                dtype: "int32",
                low: 0,
                high: shape[axis]!,
              }),
              fc.constant(batchDims),
            ),
          ),
          fc.constant(axis),
        ),
      ),
    );
    holds(
      inputs,
      ([x, [indices, batchDims], axis]) => {
        const operation = (a: tf.Tensor, i: tf.Tensor): tf.Tensor => tf.gather(a, i, axis, batchDims);
        expectAgreement(operation, [x, indices], withoutGradient);
        if (!indices.shape.includes(0)) expectDerivatives(operation, [x, indices], { step: 1 });
      },
      20,
    );
  });
});

/** Rows of indices into the first axes of a shape. Each row is another one where `unique`. */
interface Rows {
  shape: number[];
  indices: number[][];
  depth: number;
}

function rows(unique: boolean): fc.Arbitrary<Rows> {
  return fullShapes(1, 4).chain((shape) =>
    integer(1, shape.length).chain((depth) => {
      const row = fc.tuple(...shape.slice(0, depth).map((size) => fc.nat(size - 1)));
      const options = { minLength: 1, maxLength: 4 };
      const indices = unique
        ? fc.uniqueArray(row, { ...options, comparator: (a, b) => a.join() === b.join() })
        : fc.array(row, options);
      return fc.record({ shape: fc.constant(shape), indices, depth: fc.constant(depth) });
    }),
  );
}

describe("slices by index", () => {
  it("are gathered and scattered, with their gradients", () => {
    holds(fc.tuple(rows(false), types), ([{ shape, indices, depth }, values]) => {
      const at = (): tf.Tensor => tf.tensor2d(indices, [indices.length, depth], "int32");
      const updates: Argument = { ...values, shape: [indices.length, ...shape.slice(depth)] };
      const gather = (x: tf.Tensor): tf.Tensor => tf.gatherND(x, at());
      const scatter = (u: tf.Tensor): tf.Tensor => tf.scatterND(at(), u, shape);
      expectAgreement(gather, [{ ...values, shape }], withoutGradient);
      expectAgreement(scatter, [updates], withoutGradient);
      expectDerivatives(gather, [{ ...values, shape }], { step: 1 });
      expectDerivatives(scatter, [updates], { step: 1 });
    });
  });

  it("replace others, with their gradients", () => {
    holds(fc.tuple(rows(true), types), ([{ shape, indices, depth }, values]) => {
      const at = (): tf.Tensor => tf.tensor2d(indices, [indices.length, depth], "int32");
      const updates: Argument = { ...values, shape: [indices.length, ...shape.slice(depth)], seed: 2 };
      const update = (x: tf.Tensor, u: tf.Tensor): tf.Tensor => tf.tensorScatterUpdate(x, at(), u);
      expectAgreement(update, [{ ...values, shape }, updates], withoutGradient);
      expectDerivatives(update, [{ ...values, shape }, updates], { step: 1 });
      if (depth === shape.length) {
        const dense = (u: tf.Tensor): tf.Tensor => {
          return tf.sparseToDense(at(), u, shape, tf.scalar(-1, u.dtype as "float32" | "int32"));
        };
        expectAgreement(dense, [updates], withoutGradient);
      }
    });
  });

  it("are summed by segment", () => {
    const inputs = fc
      .tuple(integer(1, 5), integer(1, 4), fullShapes(0, 2), types)
      .chain(([count, segments, inner, values]) =>
        fc.tuple(
          tensorOf([count, ...inner], values),
          tensorOf([count], { dtype: "int32", low: -1, high: segments + 1 }),
          fc.constant(segments),
        ),
      );
    holds(inputs, ([x, ids, segments]) => {
      expectAgreement(
        (a, i) => tf.unsortedSegmentSum(a, i as tf.Tensor1D, segments),
        [x, ids],
        withoutGradient,
      );
    });
  });
});

describe("counts", () => {
  const weights = fc.constantFrom("float32" as const, "int32" as const, "none" as const);
  const weightsOf = (kind: "float32" | "int32" | "none", shape: number[]): Argument =>
    kind === "none" ? { shape: [0] } : { shape, dtype: kind, low: -4, high: 5 };

  it("of numbers", () => {
    holds(fc.tuple(integer(0, 8), integer(1, 6), weights), ([length, size, kind]) => {
      expectAgreement(
        (x, w) => tf.bincount(x as tf.Tensor1D, w as tf.Tensor1D, size),
        [{ shape: [length], dtype: "int32", low: 0, high: 8 }, weightsOf(kind, [length])],
        { gradients: false, fallbacks: length === 0 },
      );
    });
  });

  it("of rows of numbers", () => {
    const inputs = fc.tuple(fullShapes(1, 2), integer(1, 6), weights, fc.boolean());
    holds(inputs, ([shape, size, kind, isBinary]) => {
      expectAgreement(
        (x, w) => {
          // The cpu backend forgets "binary" for a single row.
          const isRow = x.rank === 1 && isBinary && tf.getBackend() === "cpu";
          const [numbers, weights] = isRow ? [tf.expandDims(x), tf.expandDims(w)] : [x, w];
          const counts = tf.denseBincount(numbers as tf.Tensor1D, weights as tf.Tensor1D, size, isBinary);
          return isRow ? tf.squeeze(counts, [0]) : counts;
        },
        [{ shape, dtype: "int32", low: 0, high: 8 }, weightsOf(kind, shape)],
        withoutGradient,
      );
    });
  });
});

describe("searches", () => {
  it("find places in what is sorted", () => {
    const inputs = fc.tuple(
      integer(1, 3),
      integer(1, 6),
      integer(1, 4),
      fc.constantFrom("left" as const, "right" as const),
      types,
    );
    holds(inputs, ([batch, length, count, side, values]) => {
      expectAgreement(
        // Sorted by adding up what is not negative; whole numbers among them meet their equals.
        (steps, wanted) =>
          tf.searchSorted(
            tf.cumsum(tf.abs(tf.round(tf.cast(steps, "float32"))), 1),
            tf.round(tf.cast(wanted, "float32")),
            side,
          ),
        [
          { ...values, shape: [batch, length] },
          { low: -2, high: 9, shape: [batch, count] },
        ],
        withoutGradient,
      );
    });
  });

  it("find the k largest, whose gradient goes where they were", () => {
    const inputs = fullShapes(1, 3).chain((shape) => fc.tuple(tensorOf(shape), integer(1, shape.at(-1)!)));
    holds(inputs, ([x, k]) => {
      expectAgreement((a) => tf.topk(a, k).values, [x], withoutGradient);
      expectAgreement((a) => tf.topk(a, k).indices, [x], withoutGradient);
      expectDerivatives((a) => tf.topk(a, k).values, [x], { step: 1e-4, tolerance: 2e-2 });
    });
  });
});

describe("kernels that run on TF.js's cpu backend", () => {
  it("unique", () => {
    const inputs = fullShapes(1, 2).chain((shape) =>
      fc.tuple(tensorOf(shape, whole), fc.nat(shape.length - 1)),
    );
    holds(inputs, ([x, axis]) => {
      expectAgreement((a) => tf.unique(a, axis).values, [x], onCpu);
      expectAgreement((a) => tf.unique(a, axis).indices, [x], onCpu);
    });
  });

  it("boxes that do not overlap", () => {
    holds(
      fc.tuple(integer(1, 8), integer(1, 8), fc.constantFrom(0.1, 0.5, 0.9)),
      ([count, limit, threshold]) => {
        expectAgreement(
          (boxes, scores) =>
            tf.image.nonMaxSuppression(boxes as tf.Tensor2D, scores as tf.Tensor1D, limit, threshold),
          [
            { shape: [count, 4], low: 0, high: 1 },
            { shape: [count], low: 0, high: 1 },
          ],
          onCpu,
        );
      },
    );
  });

  it("sparse segments, empty rows and shapes", () => {
    holds(fc.tuple(integer(1, 4), integer(1, 3), integer(1, 5)), ([rowCount, width, count]) => {
      const ids = Array.from({ length: count }, (_, i) => Math.floor(i / 2));
      const data: Argument = { shape: [rowCount, width] };
      const indices: Argument = { shape: [count], dtype: "int32", low: 0, high: rowCount };
      for (const reduce of [tf.sparse.sparseSegmentSum, tf.sparse.sparseSegmentMean]) {
        expectAgreement(
          (x, at) => reduce(x, at as tf.Tensor1D, tf.tensor1d(ids, "int32")),
          [data, indices],
          onCpu,
        );
      }
      expectAgreement(
        (values) => {
          const at = tf.tensor2d(
            Array.from({ length: count }, (_, i) => [2 * i, 0]).flat(),
            [count, 2],
            "int32",
          );
          const shape = tf.tensor1d([2 * count, 1], "int32");
          return tf.sparse.sparseFillEmptyRows(at, values as tf.Tensor1D, shape, tf.scalar(7))
            .outputValues as tf.Tensor;
        },
        [{ shape: [count] }],
        onCpu,
      );
    });
  });

  it("complex numbers, back and forth through the Fourier transform", () => {
    holds(fc.tuple(integer(1, 3), integer(1, 9)), ([batch, length]) => {
      expectAgreement((x) => tf.abs(tf.rfft(x)), [{ shape: [batch, length] }], onCpu);
      expectAgreement(
        (re, im) => tf.real(tf.ifft(tf.fft(tf.complex(re, im)))),
        [{ shape: [batch, length] }, { shape: [batch, length], seed: 9 }],
        onCpu,
      );
    });
  });
});

provesCoverage("lookups");
