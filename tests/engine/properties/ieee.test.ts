/** NaN, infinities and negative zero: as IEEE 754 has them, and where it says nothing, as TF.js's cpu backend. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import "../../../src/engine/index.js";
import * as nn from "../../../src/nn/index.js";
import {
  expectAgreement,
  fullShapes,
  holds,
  tensorOf,
  type TensorValues,
} from "../../support/arbitraries.js";

afterEach(() => tf.setBackend("onnxruntime"));

const withoutGradient = { gradients: false };
const nan: TensorValues = { among: [NaN] };
const infinite: TensorValues = { among: [Infinity, -Infinity] };
const wild: TensorValues = { among: [NaN, Infinity, -Infinity] };
const kinds = fc.constantFrom(nan, infinite, wild);
const picture = (x: tf.Tensor): tf.Tensor4D => x as tf.Tensor4D;

describe("reductions", () => {
  it.each<[string, (x: tf.Tensor, axes: number[]) => tf.Tensor]>([
    ["sum", (x, axes) => tf.sum(x, axes)],
    ["mean", (x, axes) => tf.mean(x, axes)],
    ["prod", (x, axes) => tf.prod(x, axes)],
    ["max", (x, axes) => tf.max(x, axes)],
    ["min", (x, axes) => tf.min(x, axes)],
    ["norm", (x, axes) => tf.norm(x, "euclidean", axes)],
    ["cumsum", (x, [axis]) => tf.cumsum(x, axis)],
    ["any of what is NaN", (x, axes) => tf.any(tf.isNaN(x), axes)],
  ])("%s", (_name, reduce) => {
    const inputs = fc
      .tuple(fullShapes(1, 4), kinds)
      .chain(([shape, values]) => fc.tuple(tensorOf(shape, values), fc.nat(shape.length - 1)));
    holds(inputs, ([x, axis]) => expectAgreement((a) => reduce(a, [axis]), [x], withoutGradient));
  });
});

describe("the place of an extremum", () => {
  it.each(["argMax", "argMin"] as const)("%s passes over NaN", (name) => {
    const inputs = fc
      .tuple(fullShapes(1, 4), kinds)
      .chain(([shape, values]) => fc.tuple(tensorOf(shape, values), fc.nat(shape.length - 1)));
    holds(inputs, ([x, axis]) => {
      expectAgreement(
        (a) => {
          if (tf.getBackend() === "onnxruntime") return tf[name](a, axis);
          // The cpu backend does so too, unless the NaN comes first.
          const worst = tf.fill(a.shape, name === "argMax" ? -Infinity : Infinity);
          return tf[name](tf.where(tf.isNaN(a), worst, a), axis);
        },
        [x],
        withoutGradient,
      );
    });
  });
});

describe("softmax and its like", () => {
  it.each<[string, (x: tf.Tensor) => tf.Tensor]>([
    ["softmax", (x) => tf.softmax(x)],
    ["logSoftmax", (x) => tf.logSoftmax(x)],
    ["logSumExp", (x) => tf.logSumExp(x, -1)],
  ])("%s is NaN for a row with NaN, and for one of minus infinities", (_name, operation) => {
    const values = fc.constantFrom(nan, { among: [-Infinity] });
    const inputs = fc.tuple(fullShapes(1, 3), values).chain(([shape, kind]) => tensorOf(shape, kind));
    holds(inputs, (x) => expectAgreement(operation, [x], withoutGradient));
  });
});

describe("pools and products", () => {
  const pictures = fc
    .tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 2, max: 5 }), fc.constantFrom(1, 8), kinds)
    .chain(([height, width, depth, values]) => tensorOf([1, height, width, depth], values));

  it("a mean over windows", () => {
    holds(pictures, (x) =>
      expectAgreement((a) => tf.avgPool(picture(a), 2, 1, "valid"), [x], withoutGradient),
    );
  });

  it("a maximum over windows passes over NaN", () => {
    holds(pictures, (x) => {
      // ONNX Runtime begins with the smallest finite number, and so never gives minus infinity.
      const pool = (a: tf.Tensor): tf.Tensor => tf.maximum(tf.maxPool(picture(a), 2, 1, "valid"), -3e38);
      expectAgreement(pool, [x], withoutGradient);
    });
  });

  it("a product with NaN or an infinity", () => {
    const inputs = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), kinds);
    holds(inputs, ([rows, inner, values]) => {
      expectAgreement(
        (a, b) => tf.matMul(a, b),
        [{ shape: [rows, inner], ...values }, { shape: [inner, 3] }],
        withoutGradient,
      );
    });
  });

  it("a convolution spreads NaN over the windows that meet it, and no further", () => {
    const x = tf.buffer([1, 5, 5, 1]);
    x.set(NaN, 0, 1, 1, 0);
    const y = tf.conv2d(picture(x.toTensor()), tf.ones([2, 2, 1, 8]), 1, "valid");
    const isNan = Array.from(tf.any(tf.isNaN(y), [3]).dataSync());
    expect(isNan).toEqual([1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("single numbers", () => {
  const special = [NaN, Infinity, -Infinity, 0, -0, 1];
  const of = (operation: (x: tf.Tensor) => tf.Tensor): number[] =>
    Array.from(operation(tf.tensor1d(special)).dataSync());

  it.each<[string, (x: tf.Tensor) => tf.Tensor, number[]]>([
    ["relu", tf.relu, [NaN, Infinity, 0, 0, 0, 1]],
    ["relu6", tf.relu6, [NaN, 6, 0, 0, 0, 1]],
    ["abs", tf.abs, [NaN, Infinity, Infinity, 0, 0, 1]],
    ["1 / x", (x) => tf.div(1, x), [NaN, 0, -0, Infinity, -Infinity, 1]],
    ["sqrt", tf.sqrt, [NaN, Infinity, NaN, 0, -0, 1]],
    ["log", tf.log, [NaN, Infinity, NaN, -Infinity, -Infinity, 0]],
    ["exp", tf.exp, [NaN, Infinity, 0, 1, 1, Math.fround(Math.E)]],
    ["x - x", (x) => tf.sub(x, x), [NaN, NaN, NaN, 0, 0, 0]],
    ["x · 0", (x) => tf.mul(x, 0), [NaN, NaN, NaN, 0, -0, 0]],
    ["sigmoid", tf.sigmoid, [NaN, 1, 0, 0.5, 0.5, Math.fround(1 / (1 + Math.exp(-1)))]],
    ["tanh", tf.tanh, [NaN, 1, -1, 0, -0, Math.fround(Math.tanh(1))]],
    ["max(x, 0)", (x) => tf.maximum(x, 0), [NaN, Infinity, 0, 0, 0, 1]],
    ["min(x, 0)", (x) => tf.minimum(x, 0), [NaN, 0, -Infinity, 0, 0, 0]],
    ["clip", (x) => tf.clipByValue(x, -2, 2), [NaN, 2, -2, 0, 0, 1]],
    ["x = x", (x) => tf.equal(x, x), [0, 1, 1, 1, 1, 1]],
    ["x ≠ x", (x) => tf.notEqual(x, x), [1, 0, 0, 0, 0, 0]],
    ["x < x", (x) => tf.less(x, x), [0, 0, 0, 0, 0, 0]],
    ["x ≥ x", (x) => tf.greaterEqual(x, x), [0, 1, 1, 1, 1, 1]],
    ["x > 0", (x) => tf.greater(x, 0), [0, 1, 0, 0, 0, 1]],
    ["x = 0", (x) => tf.equal(x, 0), [0, 0, 0, 1, 1, 0]],
  ])("%s", (_name, operation, expected) => {
    of(operation).forEach((value, i) => {
      if (Number.isNaN(expected[i]!)) expect(value).toBeNaN();
      else expect(Math.abs(value - expected[i]!) <= 1e-6 || value === expected[i]!).toBe(true);
    });
  });

  it("a gradient of NaN is NaN, and none where relu is closed", () => {
    const gradient = tf
      .grad((x) => tf.relu(tf.mul(x, 2)))(tf.tensor1d([NaN, -1, Infinity]))
      .dataSync();
    expect(gradient[1]).toBe(0);
    expect(gradient[2]).toBe(2);
  });

  it.each([
    ["a vector", [8]],
    ["a picture", [1, 16, 1, 8]],
    ["a picture of many channels", [1, 2, 2, 16]],
  ])("the gradient of relu6 is open up to the floats next to 0 and 6: %s", (_name, shape) => {
    const points = [2 ** -126, 1e-30, 3, 6 - 2 ** -21, 0, -1, 6, 7];
    const size = tf.util.sizeFromShape(shape);
    const x = Array.from({ length: size }, (_, i) => points[i % 8]!);
    const gradient = tf
      .grad((x) => tf.mul(tf.relu6(x), 5))(tf.tensor(x, shape))
      .dataSync();
    expect(Array.from(gradient)).toEqual(x.map((_, i) => (i % 8 < 4 ? 5 : 0)));
  });

  it("a fused operator lets NaN through", () => {
    const x = tf.tensor2d([
      [1, NaN],
      [1, 2],
    ]);
    const [first, second] = [0, 1].map((row) => (y: tf.Tensor) => tf.slice(y, [row, 0], [1, 2]).dataSync());
    for (const y of [nn.gelu(x), nn.silu(x)]) expect(first!(y)[1]).toBeNaN();
    const normal = nn.layerNorm(x, [2]);
    expect(first!(normal)[0]).toBeNaN();
    expect(second!(normal)[0]).toBeCloseTo(-1, 3);
    const loss = nn.softmaxCrossEntropy(x, tf.tensor1d([0, 0], "int32")).dataSync();
    expect(loss[0]).toBeNaN();
    expect(loss[1]).toBeCloseTo(Math.log(1 + Math.E), 5);
  });
});
