/** Kernels that reduce, move and choose elements against TF.js's cpu backend, on any shape, axis, layout and type. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import type { Argument } from "../../support/compare_backends.js";
import { expectDerivatives } from "../../support/finite_differences.js";
import { provesCoverage } from "../../support/kernel_coverage.js";
import {
  expectAgreement,
  fullShapes,
  holds,
  permutations,
  shapes,
  tensorOf,
  type TensorValues,
} from "../../support/arbitraries.js";

afterEach(() => tf.setBackend("onnxruntime"));

const noGradient = { gradients: false };
const wild: TensorValues = { among: [NaN, Infinity, -Infinity] };
const whole: TensorValues = { dtype: "int32", low: -5, high: 5 };
const types = fc.constantFrom<TensorValues[]>({}, whole, { dtype: "bool" });

interface Case<T> {
  shape: number[];
  x: Argument;
  parameters: T;
}

/** A tensor, and what is drawn to suit its shape. */
function cases<T>(
  shape: fc.Arbitrary<number[]>,
  parametersOf: (shape: number[]) => fc.Arbitrary<T>,
  values: fc.Arbitrary<TensorValues> = types,
): fc.Arbitrary<Case<T>> {
  return fc
    .tuple(shape, values)
    .chain(([shape, values]) =>
      fc.record({ shape: fc.constant(shape), x: tensorOf(shape, values), parameters: parametersOf(shape) }),
    );
}

const axisOf = (shape: number[]): fc.Arbitrary<number> =>
  fc.integer({ min: -shape.length, max: shape.length - 1 });
const axesOf = (shape: number[]): fc.Arbitrary<number[]> =>
  fc.subarray([...shape.keys()], { minLength: shape.length > 0 ? 1 : 0 });
const integers = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

describe("reductions", () => {
  type Reduction = (x: tf.Tensor, axes?: number[], keepDims?: boolean) => tf.Tensor;
  const parameters = (shape: number[]) => fc.tuple(axesOf(shape), fc.boolean());

  it.each<[string, Reduction, TensorValues]>([
    ["sum", tf.sum, {}],
    ["mean", tf.mean, {}],
    ["max", tf.max, {}],
    ["min", tf.min, {}],
    ["logSumExp", tf.logSumExp, {}],
    ["prod", tf.prod, {}],
    ["max of NaN", tf.max, wild],
    ["min of NaN", tf.min, wild],
    ["sum of NaN", tf.sum, wild],
    ["sum of int32", tf.sum, whole],
    ["max of int32", tf.max, whole],
    ["prod of int32", tf.prod, whole],
    ["all", tf.all, { dtype: "bool" }],
    ["any", tf.any, { dtype: "bool" }],
  ])("%s", (name, reduction, values) => {
    const gradients = ["sum", "mean", "logSumExp"].includes(name);
    holds(cases(fullShapes(), parameters, fc.constant(values)), ({ x, parameters: [axes, keepDims] }) => {
      expectAgreement((a) => reduction(a, axes, keepDims), [x], { gradients });
    });
  });

  it("sums and means what is empty", () => {
    holds(cases(shapes(1), parameters, fc.constant({})), ({ x, parameters: [axes, keepDims] }) => {
      expectAgreement((a) => tf.sum(a, axes, keepDims), [x]);
    });
  });

  it.each<[string, (x: tf.Tensor, axis: number) => tf.Tensor]>([
    ["argMax", tf.argMax],
    ["argMin", tf.argMin],
  ])("%s", (_name, operation) => {
    holds(cases(fullShapes(1), axisOf, fc.constantFrom<TensorValues[]>({}, whole)), ({ x, parameters }) => {
      expectAgreement((a) => operation(a, parameters), [x], noGradient);
    });
  });

  it("cumulates from either end, with and without the element itself", () => {
    // The cpu backend takes no negative axes here.
    const options = (shape: number[]) => fc.tuple(fc.nat(shape.length - 1), fc.boolean(), fc.boolean());
    holds(cases(fullShapes(1), options, fc.constant({})), ({ x, parameters }) => {
      expectAgreement((a) => tf.cumsum(a, ...parameters), [x]);
      expectAgreement((a) => tf.cumprod(a, ...parameters), [x], noGradient);
      expectDerivatives((a) => tf.cumsum(a, ...parameters), [x], { step: 1 });
      expectDerivatives((a) => tf.cumprod(a, ...parameters), [x]);
    });
  });

  it("products and extrema, with their gradients", () => {
    holds(cases(fullShapes(1, 3), parameters, fc.constant({})), ({ x, parameters: [axes, keepDims] }) => {
      expectDerivatives((a) => tf.prod(a, axes, keepDims), [x]);
      expectAgreement((a) => tf.max(a, axes, keepDims), [x]);
      expectAgreement((a) => tf.min(a, axes, keepDims), [x]);
    });
  });

  it("softmax and its logarithm", () => {
    holds(
      cases(fullShapes(1), () => fc.constant(undefined), fc.constant({})),
      ({ x }) => {
        expectAgreement((a) => tf.softmax(a), [x]);
        expectAgreement((a) => tf.logSoftmax(a), [x]);
      },
    );
  });
});

describe("what moves elements", () => {
  // TF.js has no gradient of unstacking one slice.
  const severalOf = fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 4 });
  const each = <T>(
    name: string,
    shape: fc.Arbitrary<number[]>,
    parametersOf: (shape: number[]) => fc.Arbitrary<T>,
    operation: (x: tf.Tensor, parameters: T, shape: number[]) => tf.Tensor,
  ): void => {
    it(name, () => {
      holds(
        cases(shape, parametersOf),
        ({ shape, x, parameters }) => {
          const gradients = x.dtype === undefined;
          expectAgreement((a) => operation(a, parameters, shape), [x], { gradients });
        },
        15,
      );
    });
  };

  each(
    "transposes",
    shapes(),
    (shape) => permutations(shape.length),
    (x, order) => tf.transpose(x, order),
  );
  each("reverses", shapes(1), axesOf, (x, axes) => tf.reverse(x, axes));
  each(
    "reshapes",
    shapes(),
    (shape) => fc.tuple(fc.nat(shape.length), fc.nat(shape.length)),
    (x, [at, merged], shape) => {
      const [first, last] = [Math.min(at, merged), Math.max(at, merged)];
      const middle = shape.slice(first, last).reduce((product, size) => product * size, 1);
      return tf.reshape(x, [...shape.slice(0, first), 1, middle, ...shape.slice(last)]);
    },
  );
  each("expands", shapes(0, 4), (shape) => integers(-shape.length - 1, shape.length), tf.expandDims);
  each(
    "slices",
    shapes(1),
    (shape) => fc.tuple<[number, number][]>(...shape.map((size) => fc.tuple(fc.nat(size), fc.nat(size)))),
    (x, ranges) => {
      const begin = ranges.map((range) => Math.min(...range));
      return tf.slice(
        x,
        begin,
        ranges.map((range, axis) => Math.max(...range) - begin[axis]!),
      );
    },
  );
  each(
    "slices with strides",
    fullShapes(1, 4),
    (shape) =>
      fc.tuple(
        ...shape.map((size) =>
          fc.tuple(
            integers(-size - 1, size + 1),
            integers(-size - 1, size + 1),
            fc.constantFrom(-2, -1, 1, 2, 3),
          ),
        ),
      ) as fc.Arbitrary<[number, number, number][]>,
    (x, ranges) => {
      const [begin, end, strides] = [0, 1, 2].map((i) => ranges.map((range) => range[i]!));
      return tf.stridedSlice(x, begin!, end!, strides);
    },
  );
  each(
    "pads",
    shapes(1, 4),
    (shape) => fc.tuple<[number, number][]>(...shape.map(() => fc.tuple(fc.nat(2), fc.nat(2)))),
    (x, paddings) => tf.pad(x, paddings, x.dtype === "bool" ? 0 : 2),
  );
  each(
    "mirrors",
    fullShapes(1, 4),
    (shape) =>
      fc.tuple(
        fc.constantFrom("reflect" as const, "symmetric" as const),
        fc.tuple<[number, number][]>(...shape.map((size) => fc.tuple(fc.nat(size - 1), fc.nat(size - 1)))),
      ),
    (x, [mode, paddings]) => tf.mirrorPad(x.dtype === "bool" ? tf.cast(x, "int32") : x, paddings, mode),
  );
  each(
    "tiles",
    shapes(1, 4),
    (shape) => fc.array(integers(1, 3), { minLength: shape.length, maxLength: shape.length }),
    (x, repeats) => tf.tile(x, repeats),
  );
  each("concatenates and splits", fullShapes(1), axisOf, (x, axis, shape) => {
    const size = shape.at(axis)!;
    const parts = tf.split(tf.concat([x, x, x], axis), [2 * size, size], axis);
    return tf.concat(parts.reverse(), axis);
  });
  each("stacks and unstacks", severalOf, axisOf, (x, axis) =>
    tf.stack(tf.unstack(x, axis).reverse(), axis < 0 ? 0 : axis),
  );
});

provesCoverage("shapes");
