/** Elementwise kernels against TF.js's cpu backend, on any shape, layout and mixture with NaN and infinities. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import type { Argument, Operation } from "../../support/compare_backends.js";
import { expectDerivatives } from "../../support/finite_differences.js";
import { provesCoverage } from "../../support/kernel_coverage.js";
import {
  broadcastTensors,
  expectAgreement,
  holds,
  shapes,
  tensorOf,
  type TensorValues,
} from "../../support/arbitraries.js";

afterEach(() => tf.setBackend("onnxruntime"));

const RUNS = 8;
const unusual = [NaN, Infinity, -Infinity, 0];
const wild = { among: unusual };
const signed = { dtype: "int32", low: -9, high: 9 } as const;

const unaries = tf as unknown as Record<string, (x: tf.Tensor) => tf.Tensor>;

describe("of one float32 tensor, with NaN and infinities", () => {
  const names = [
    ["abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "elu", "erf", "exp"],
    ["expm1", "floor", "isFinite", "isInf", "isNaN", "leakyRelu", "log", "log1p", "neg", "reciprocal"],
    ["relu", "relu6", "round", "rsqrt", "selu", "sigmoid", "sign", "sin", "sinh", "softplus", "sqrt"],
    ["square", "step", "tan", "tanh", "zerosLike", "onesLike"],
  ].flat();
  it.each(names)("%s", (name) => {
    const inputs = shapes().chain((shape) => tensorOf(shape, wild));
    holds(inputs, (x) => expectAgreement(unaries[name]!, [x], { gradients: false }), RUNS);
  });
});

describe("of one tensor, with its gradient", () => {
  const anywhere = [
    [
      "abs",
      "asinh",
      "atan",
      "cos",
      "cosh",
      "elu",
      "erf",
      "exp",
      "expm1",
      "leakyRelu",
      "neg",
      "relu",
      "relu6",
    ],
    ["selu", "sigmoid", "sin", "sinh", "softplus", "square", "tanh"],
  ].flat();
  const domains: [names: string[], values: TensorValues][] = [
    [anywhere, {}],
    [["log", "log1p", "reciprocal", "rsqrt", "sqrt"], { low: 0.1, high: 3 }],
    [["acos", "asin", "atanh", "tan"], { low: -0.9, high: 0.9 }],
    [["acosh"], { low: 1.1, high: 4 }],
    [["ceil", "floor", "round", "sign", "step"], {}],
  ];
  it.each(domains.flatMap(([names, values]) => names.map((name) => [name, values] as const)))(
    "%s",
    (name, values) => {
      const inputs = shapes().chain((shape) => tensorOf(shape, values));
      holds(inputs, (x) => expectAgreement(unaries[name]!, [x]), 4);
    },
  );
});

describe("of one int32 tensor", () => {
  it.each(["abs", "neg", "relu", "square", "sign", "clone"])("%s", (name) => {
    const inputs = shapes().chain((shape) => tensorOf(shape, signed));
    holds(inputs, (x) => expectAgreement(unaries[name]!, [x], { gradients: false }), 4);
  });
});

describe("with attributes", () => {
  it("clips", () => {
    const inputs = fc.tuple(
      shapes().chain((shape) => tensorOf(shape, wild)),
      fc.integer({ min: -3, max: 0 }),
      fc.nat(3),
    );
    holds(inputs, ([x, low, high]) => {
      expectAgreement((a) => tf.clipByValue(a, low / 2, high / 2), [x], { gradients: false });
      // TF.js fills an array where both bounds are one, which has no gradient.
      const gradients = low < high && !x.shape.includes(0);
      expectAgreement((a) => tf.clipByValue(a, low / 2, high / 2), [{ ...x, among: [] }], { gradients });
    });
  });

  it("steps and leaks by any slope", () => {
    const inputs = fc.tuple(
      shapes().chain((shape) => tensorOf(shape)),
      fc.integer({ min: -3, max: 3 }),
    );
    holds(inputs, ([x, slope]) => {
      expectAgreement((a) => tf.add(tf.step(a, slope), tf.leakyRelu(a, slope)), [x], { gradients: false });
    });
  });

  it("casts between all types", () => {
    const types = fc.constantFrom("float32", "int32", "bool");
    const inputs = fc.tuple(types, types).chain(([from, to]) =>
      fc.tuple(
        shapes().chain((shape) => tensorOf(shape, { dtype: from, low: -3, high: 3 })),
        fc.constant(to),
      ),
    );
    holds(inputs, ([x, to]) => expectAgreement((a) => tf.cast(a, to), [x], { gradients: false }), 20);
  });
});

describe("of two tensors that broadcast", () => {
  const pairs = (a: TensorValues, b = a): fc.Arbitrary<Argument[]> => broadcastTensors([a, b]);
  type Pair = [name: string, operation: Operation, a?: TensorValues, b?: TensorValues];

  it.each<Pair>([
    ["add", tf.add],
    ["sub", tf.sub],
    ["mul", tf.mul],
    ["div", tf.div, {}, { low: 0.5 }],
    ["pow", tf.pow, { low: 0.1 }, {}],
  ])("%s, with its gradient", (_name, operation, a = {}, b = a) => {
    holds(pairs(a, b), (args) => expectAgreement(operation, args), RUNS);
  });

  it.each<Pair>([
    ["add", tf.add],
    ["sub", tf.sub],
    ["mul", tf.mul],
    ["div", tf.div],
    ["maximum", tf.maximum],
    ["minimum", tf.minimum],
    ["squaredDifference", tf.squaredDifference],
    ["atan2", tf.atan2],
    ["greater", tf.greater],
    ["greaterEqual", tf.greaterEqual],
    ["less", tf.less],
    ["lessEqual", tf.lessEqual],
    ["equal", tf.equal],
    ["notEqual", tf.notEqual],
    ["prelu", tf.prelu],
    ["floorDiv", tf.floorDiv, {}, { low: 0.5 }],
    ["mod", tf.mod, {}, { low: 0.5 }],
  ])("%s, with NaN and infinities", (_name, operation, a = wild, b = a) => {
    holds(pairs(a, b), (args) => expectAgreement(operation, args, { gradients: false }), RUNS);
  });

  it.each<Pair>([
    ["add", tf.add],
    ["sub", tf.sub],
    ["mul", tf.mul],
    ["maximum", tf.maximum],
    ["minimum", tf.minimum],
    ["squaredDifference", tf.squaredDifference],
    ["floorDiv", tf.floorDiv],
    ["mod", tf.mod],
    ["greater", tf.greater],
    ["lessEqual", tf.lessEqual],
    ["equal", tf.equal],
    ["notEqual", tf.notEqual],
    ["div", tf.div],
    ["pow", tf.pow, { dtype: "int32", low: -3, high: 4 }, { dtype: "int32", low: 0, high: 4 }],
  ])("%s of int32", (_name, operation, a = signed, b = a) => {
    holds(pairs(a, b), (args) => expectAgreement(operation, args, { gradients: false }), 4);
  });

  it.each<Pair>([
    ["and", tf.logicalAnd],
    ["or", tf.logicalOr],
    ["xor", tf.logicalXor],
    ["equal", tf.equal],
    ["less", tf.less],
    ["greater", tf.greater],
  ])("%s of bool", (_name, operation) => {
    holds(pairs({ dtype: "bool" }), (args) => expectAgreement(operation, args, { gradients: false }), 4);
  });

  it("bits of int32", () => {
    const inputs = shapes().chain((shape) => fc.tuple(tensorOf(shape, signed), tensorOf(shape, signed)));
    holds(inputs, (args) => expectAgreement(tf.bitwiseAnd, args, { gradients: false }));
  });

  it("not", () => {
    const inputs = shapes().chain((shape) => tensorOf(shape, { dtype: "bool" }));
    holds(inputs, (x) => expectAgreement(tf.logicalNot, [x], { gradients: false }));
  });

  // TF.js's own gradients of these forget that an operand was broadcast. The engine's replace them, on every backend.
  it.each<Pair>([
    ["maximum", tf.maximum],
    ["minimum", tf.minimum],
    ["squaredDifference", tf.squaredDifference],
    ["atan2", tf.atan2, { low: 0.5 }, { low: 0.5 }],
    ["mod", tf.mod, { low: 0.1, high: 0.9 }, { low: 1 }],
  ])("%s, with its gradient by finite differences", (name, operation, a = {}, b = a) => {
    const isCurved = name === "squaredDifference" || name === "atan2";
    holds(pairs(a, b), (args) => {
      if (args.some(({ shape }) => shape.includes(0))) return;
      const apart = args.map((argument, i) => ({ ...argument, seed: argument.seed! + 10000 * i }));
      expectDerivatives(operation, apart, isCurved ? {} : { step: 1e-3 });
    });
  });

  it("prelu, with its gradient", () => {
    const inputs = shapes(1).chain((shape) => fc.tuple(tensorOf(shape), tensorOf(shape.slice(1))));
    holds(inputs, ([x, slope]) => expectAgreement(tf.prelu, [x, slope]));
  });
});

describe("of several tensors", () => {
  it("selects, with the gradient", () => {
    const inputs = shapes().chain((shape) =>
      fc.tuple(tensorOf(shape, { dtype: "bool" }), tensorOf(shape), tensorOf(shape)),
    );
    holds(inputs, (args) => expectAgreement((c, a, b) => tf.where(c, a, b), args));
  });

  it("selects", () => {
    holds(broadcastTensors([{ dtype: "bool" }, wild, wild]), (args) => {
      expectAgreement((c, a, b) => tf.where(c, a, b), args, { gradients: false });
    });
  });

  it("adds", () => {
    const inputs = shapes().chain((shape) => fc.array(tensorOf(shape, wild), { minLength: 1, maxLength: 4 }));
    holds(inputs, (args) => expectAgreement((...terms) => tf.addN(terms), args, { gradients: false }));
  });
});

provesCoverage("elementwise");
