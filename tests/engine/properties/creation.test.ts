/** What makes arrays from numbers, and random ones: against TF.js's cpu backend, and by their distribution. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import "../../../src/engine/index.js";
import * as nn from "../../../src/nn/index.js";
import { Generator } from "../../../src/random.js";
import { expectAgreement, fullShapes, holds, length, shapes, tensorOf } from "../../support/arbitraries.js";
import { provesCoverage } from "../../support/kernel_coverage.js";

afterEach(() => tf.setBackend("onnxruntime"));

const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const types = fc.constantFrom("float32" as const, "int32" as const, "bool" as const);
const withoutGradient = { gradients: false };

describe("arrays of numbers", () => {
  it("filled with one", () => {
    holds(fc.tuple(shapes(), types, integer(-3, 3)), ([shape, dtype, number]) => {
      const fill = dtype === "bool" ? Math.abs(number) % 2 : number;
      expectAgreement(() => tf.fill(shape, fill, dtype), [], withoutGradient);
      expectAgreement((x) => tf.zerosLike(x), [{ shape, dtype, low: 0, high: 2 }], withoutGradient);
      expectAgreement((x) => tf.onesLike(x), [{ shape, dtype, low: 0, high: 2 }], withoutGradient);
    });
  });

  it("from one number to another", () => {
    const inputs = fc.tuple(
      integer(-9, 9),
      integer(-9, 9),
      integer(1, 3),
      fc.constantFrom("float32" as const, "int32" as const),
      integer(1, 7),
    );
    holds(inputs, ([start, stop, step, dtype, count]) => {
      const by = stop < start ? -step : step;
      expectAgreement(() => tf.range(start, stop, by, dtype), [], withoutGradient);
      expectAgreement(() => tf.linspace(start, stop, count), [], withoutGradient);
    });
  });

  it("on a diagonal", () => {
    holds(
      fullShapes(1, 3).chain((shape) => tensorOf(shape)),
      (x) => expectAgreement((a) => tf.diag(a), [x], withoutGradient),
    );
    holds(fc.tuple(length, length), ([rows, columns]) => {
      expectAgreement(() => tf.eye(rows, columns, [2]), [], {
        gradients: false,
        fallbacks: rows * columns === 0,
      });
    });
  });

  it("one-hot, of any type", () => {
    const inputs = fc.tuple(
      shapes(0, 3).chain((shape) => tensorOf(shape, { dtype: "int32", low: -1, high: 5 })),
      integer(2, 5),
      types,
    );
    holds(inputs, ([x, depth, dtype]) =>
      expectAgreement((a) => tf.oneHot(a, depth, 1, 0, dtype), [x], withoutGradient),
    );
  });
});

/** Of the share of n draws that have a chance of p. */
const deviation = (p: number, n: number): number => Math.sqrt((p * (1 - p)) / n);

describe("random draws", () => {
  it("follow the probabilities of a multinomial, are repeated by their seed and differ between rows", () => {
    const count = 4000;
    holds(
      fc.tuple(integer(1, 3), integer(2, 6), integer(1, 1000), fc.boolean()),
      ([batch, events, seed, isNormalized]) => {
        const logits = tf.randomUniform<tf.Rank.R2>([batch, events], -2, 2, "float32", seed);
        const chances = tf.softmax(logits);
        const draw = (own: number): Int32Array =>
          tf.multinomial(isNormalized ? chances : logits, count, own, isNormalized).dataSync<"int32">();
        const samples = draw(seed);
        expect(draw(seed)).toEqual(samples);
        expect(draw(seed + 1)).not.toEqual(samples);
        const expected = chances.arraySync();
        expected.forEach((row, i) => {
          const own = samples.subarray(i * count, (i + 1) * count);
          row.forEach((p, event) => {
            const share = own.filter((sample) => sample === event).length / count;
            expect(Math.abs(share - p)).toBeLessThan(5 * deviation(p, count) + 1e-6);
          });
          if (i > 0) expect(own).not.toEqual(samples.subarray(0, count));
        });
      },
      5,
    );
  });

  it.each<[string, (seed: number) => tf.Tensor, number, number]>([
    ["uniform", (seed) => tf.randomUniform([100, 100], -1, 3, "float32", seed), 1, 4 / Math.sqrt(12)],
    ["normal", (seed) => tf.randomNormal([100, 100], 1, 2, "float32", seed), 1, 2],
    ["truncated normal", (seed) => tf.truncatedNormal([100, 100], 0, 1, "float32", seed), 0, 0.88],
  ])("%s: mean and deviation, the same for one seed on every backend", (_name, draw, mean, spread) => {
    const values = draw(5).dataSync();
    const { mean: average, variance } = tf.moments(draw(5));
    expect(Math.abs(average.dataSync()[0]! - mean)).toBeLessThan((5 * spread) / 100);
    expect(Math.abs(Math.sqrt(variance.dataSync()[0]!) - spread)).toBeLessThan(0.05 * spread);
    expect(draw(6).dataSync()).not.toEqual(values);
    void tf.setBackend("cpu");
    expect(draw(5).dataSync()).toEqual(values);
  });

  it("of dropout are the cpu backend's, with the gradient", () => {
    const inputs = fc.tuple(
      shapes(1).chain((shape) => tensorOf(shape)),
      fc.constantFrom(0, 0.1, 0.5, 0.93),
      integer(1, 1000),
    );
    holds(inputs, ([x, p, seed]) => {
      expectAgreement((a) => nn.dropout(a, p, new Generator(seed)), [x], { fallbacks: x.shape.includes(0) });
    });
  });
});

provesCoverage("creation");
