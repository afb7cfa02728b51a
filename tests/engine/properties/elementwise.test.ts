/** Elementwise kernels against TF.js's cpu backend, on any shape, layout and mixture with NaN and infinities. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import type { Argument, Operation } from "../../support/compare_backends.js";
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
  const names = [
    "abs",
    "cos",
    "elu",
    "erf",
    "exp",
    "relu",
    "relu6",
    "leakyRelu",
    "selu",
    "sigmoid",
    "softplus",
  ];
  it.each([...names, "square", "tanh"])("%s", (name) => {
    holds(
      shapes().chain((shape) => tensorOf(shape)),
      (x) => expectAgreement(unaries[name]!, [x]),
      4,
    );
  });
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
  ])("%s of bool", (_name, operation) => {
    holds(pairs({ dtype: "bool" }), (args) => expectAgreement(operation, args, { gradients: false }), 4);
  });
});

describe("of several tensors", () => {
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
