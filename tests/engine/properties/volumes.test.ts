/** Volumes against TF.js's cpu backend: convolutions, transposed ones and pools in three dimensions, with their gradients. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import "../../../src/engine/index.js";
import { expectAgreement, holds, length, tensorOf } from "../../support/arbitraries.js";
import type { Argument } from "../../support/compare_backends.js";
import { expectDerivatives } from "../../support/finite_differences.js";
import { provesCoverage } from "../../support/kernel_coverage.js";

afterEach(() => tf.setBackend("onnxruntime"));

type Three = [number, number, number];
const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const three = (min: number, max: number): fc.Arbitrary<Three> =>
  fc.tuple(integer(min, max), integer(min, max), integer(min, max));
const volume = (x: tf.Tensor): tf.Tensor5D => x as tf.Tensor5D;

interface Geometry {
  x: Argument;
  inputs: number;
  outputs: number;
  kernel: Three;
  stride: Three;
  dilation: Three;
  pad: "same" | "valid";
}

/** Windows that fit into the volume. TF.js takes a stride or a dilation, not both. */
const geometries: fc.Arbitrary<Geometry> = fc
  .record({
    batch: length,
    sides: three(3, 5),
    inputs: integer(1, 3),
    outputs: integer(1, 3),
    kernel: three(1, 3),
    step: three(1, 2),
    dilates: fc.boolean(),
    pad: fc.constantFrom("same" as const, "valid" as const),
  })
  .chain(({ batch, sides, inputs, step, dilates, kernel, ...rest }) => {
    const fits = dilates && kernel.every((size, i) => (size - 1) * step[i]! + 1 <= sides[i]!);
    // A stride beyond the window has a test of its own.
    if (rest.pad === "same" && !fits) kernel = kernel.map((size, i) => Math.max(size, step[i]!)) as Three;
    const one: Three = [1, 1, 1];
    return tensorOf([batch, ...sides, inputs]).map((x) => ({
      x,
      inputs,
      kernel,
      stride: fits ? one : step,
      dilation: fits ? step : one,
      ...rest,
    }));
  });

describe("convolutions", () => {
  it("with strides or dilations", () => {
    holds(
      geometries,
      ({ x, inputs, outputs, kernel, stride, dilation, pad }) => {
        expectAgreement(
          (a, w) => tf.conv3d(volume(a), volume(w), stride, pad, "NDHWC", dilation),
          [x, { shape: [...kernel, inputs, outputs] }],
          { gradients: Math.max(...dilation) === 1 }, // TF.js has no gradient of a dilated one
        );
      },
      12,
    );
  });

  it("transposed", () => {
    holds(
      geometries,
      ({ x, inputs, outputs, kernel, stride, pad }) => {
        const logical = (x.transposed ?? [...x.shape.keys()]).map((axis) => x.shape[axis]!);
        const out = logical.slice(1, 4).map((size, i) => {
          return pad === "same" ? size * stride[i]! : (size - 1) * stride[i]! + kernel[i]!;
        });
        const shape = [logical[0]!, ...out, outputs] as [number, number, number, number, number];
        const operation = (a: tf.Tensor, w: tf.Tensor): tf.Tensor =>
          tf.conv3dTranspose(volume(a), volume(w), shape, stride, pad);
        const args = [x, { shape: [...kernel, outputs, inputs] }];
        expectAgreement(operation, args, { gradients: false }); // TF.js has none
      },
      8,
    );
  });
});

describe("pools", () => {
  it("of maxima", () => {
    holds(geometries, ({ x, kernel, stride, pad }) => {
      const cubic = new Set(kernel).size === 1; // the cpu backend's gradient mixes up the sides of others
      expectAgreement((a) => tf.maxPool3d(volume(a), kernel, stride, pad), [x], { gradients: cubic });
    });
  });

  it("of maxima, plane by plane as in two dimensions", () => {
    holds(geometries, ({ x, kernel: [, height, width], stride: [, down, across], pad }) => {
      expectAgreement(
        (a) => {
          if (tf.getBackend() === "onnxruntime") {
            return tf.maxPool3d(volume(a), [1, height, width], [1, down, across], pad);
          }
          const [batch, depth, ...plane] = volume(a).shape;
          const planes = tf.reshape<tf.Rank.R4>(a, [batch * depth, ...plane]);
          const pooled = tf.maxPool(planes, [height, width], [down, across], pad);
          return tf.reshape(pooled, [batch, depth, ...pooled.shape.slice(1)]);
        },
        [x],
      );
    });
  });

  it("of means", () => {
    holds(geometries, ({ x, kernel, stride, pad }) => {
      const operation = (a: tf.Tensor): tf.Tensor => tf.avgPool3d(volume(a), kernel, stride, pad);
      expectAgreement(operation, [x], { gradients: false });
      // The cpu backend's gradient counts the padding, which the mean itself does not.
      if (!x.shape.includes(0)) expectDerivatives(operation, [x], { step: 1 });
    });
  });
});

describe("a stride that is longer than its window, padded to the same size", () => {
  // TF.js's arithmetic gives a negative padding here: it begins in the middle of the volume, where TensorFlow begins at 0.
  const x = tf.tensor5d([1, 2, 3, 4, 5], [1, 1, 1, 5, 1]);
  it.each<[string, () => tf.Tensor]>([
    ["conv3d", () => tf.conv3d(x, tf.ones([1, 1, 1, 1, 1]), [1, 1, 2], "same")],
    ["maxPool3d", () => tf.maxPool3d(x, 1, [1, 1, 2], "same")],
    ["avgPool3d", () => tf.avgPool3d(x, 1, [1, 1, 2], "same")],
  ])("%s takes every other element", (_name, compute) => {
    expect(Array.from(compute().dataSync())).toEqual([1, 3, 5]);
  });
});

provesCoverage("volumes");
