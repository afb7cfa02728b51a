/** Pictures against TF.js's cpu backend: channels in multiples of 8 reach the kernels of blocked pictures. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import { expectAgreement, holds, tensorOf } from "../../support/arbitraries.js";
import type { Argument } from "../../support/compare_backends.js";
import { provesCoverage } from "../../support/kernel_coverage.js";
import {
  fusedNormedConvolution,
  fusedNormedConvolutionInference,
} from "../../../src/engine/fused/convolution.js";
import { runningStatistics } from "../../../src/nn/functional/batch_norm.js";
import * as nn from "../../../src/nn/index.js";
import "../../../src/engine/index.js";

afterEach(() => tf.setBackend("onnxruntime"));

const channels = fc.constantFrom(1, 3, 8, 16, 24, 32);
const side = fc.integer({ min: 3, max: 8 });
const picture = (x: tf.Tensor): tf.Tensor4D => x as tf.Tensor4D;

interface Geometry {
  x: Argument;
  inputs: number;
  outputs: number;
  kernel: [number, number];
  stride: [number, number];
  dilation: [number, number];
  pad: "same" | "valid" | number;
}

/**
 * Geometries of windows that fit. TF.js takes a stride or a dilation, not both. Where the padding is a number, windows and
 * strides are square: see `windows.test.ts` for those that are not.
 */
const geometries: fc.Arbitrary<Geometry> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    height: side,
    width: side,
    inputs: channels,
    outputs: channels,
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
    dilates: fc.boolean(),
    pad: fc.constantFrom<("same" | "valid" | number)[]>("same", "valid", 1, 0),
  })
  .map((drawn) => {
    if (typeof drawn.pad === "string") return drawn;
    const square = ([size]: [number, number]): [number, number] => [size, size];
    return { ...drawn, kernel: square(drawn.kernel), stride: square(drawn.stride) };
  })
  .chain(({ batch, height, width, inputs, outputs, kernel, stride, dilates, pad }) => {
    const fits = dilates && kernel.every((size, i) => (size - 1) * stride[i]! + 1 <= [height, width][i]!);
    return tensorOf([batch, height, width, inputs]).map((x) => ({
      x,
      inputs,
      outputs,
      kernel,
      stride: fits ? ([1, 1] as [number, number]) : stride,
      dilation: fits ? stride : ([1, 1] as [number, number]),
      pad,
    }));
  });

describe("convolutions", () => {
  it("of all channels", () => {
    holds(
      geometries,
      ({ x, inputs, outputs, kernel, stride, dilation, pad }) => {
        expectAgreement(
          (a, w) =>
            tf.conv2d(
              picture(a),
              picture(w),
              stride,
              pad,
              "NHWC",
              dilation,
              pad === "same" || pad === "valid" ? undefined : "floor",
            ),
          [x, { shape: [...kernel, inputs, outputs] }],
          { gradients: dilation[0] * dilation[1] === 1 },
        );
      },
      25,
    );
  });

  it("of each channel", () => {
    holds(
      geometries,
      ({ x, inputs, kernel, stride, dilation, pad }) => {
        const step = stride[0];
        expectAgreement(
          (a, w) =>
            tf.depthwiseConv2d(
              picture(a),
              picture(w),
              [step, step],
              pad,
              "NHWC",
              step === 1 ? [dilation[0], dilation[0]] : 1,
              typeof pad === "number" ? "floor" : undefined,
            ),
          [x, { shape: [...kernel, inputs, 1 + (inputs % 2)] }],
          { gradients: dilation[0] === 1 },
        );
      },
      15,
    );
  });

  it("with weights as PyTorch has them, of all channels and of each", () => {
    const zeros = fc.integer({ min: 0, max: 2 });
    const drawn = fc.record({
      geometry: geometries,
      depthwise: fc.boolean(),
      sides: fc.tuple(zeros, zeros, zeros, zeros),
    });
    holds(
      drawn,
      ({ geometry: { x, inputs, outputs, kernel, stride, dilation }, depthwise, sides }) => {
        const groups = depthwise ? inputs : 1;
        const out = depthwise ? inputs * (1 + (outputs % 2)) : outputs;
        const step: [number, number] = depthwise ? [stride[0], stride[0]] : stride;
        const settings = { stride: step, dilation, padding: sides, groups };
        expectAgreement(
          (a, w) => nn.conv2d(picture(a), picture(w), settings),
          [x, { shape: [out, inputs / groups, ...kernel] }],
          { gradients: dilation[0] * dilation[1] === 1 },
        );
      },
      25,
    );
  });

  /** A convolution with a batch norm and one of these activations behind it. */
  const normed = <Activation extends string>(...activations: Activation[]) =>
    fc
      .record({
        geometry: geometries,
        depthwise: fc.boolean(),
        activation: fc.constantFrom(undefined, ...activations),
      })
      .map(({ geometry: { x, inputs, outputs, kernel, stride, dilation }, depthwise, activation }) => {
        const out = depthwise ? inputs : outputs;
        const groups = depthwise ? inputs : 1;
        const step: [number, number] = depthwise ? [stride[0], stride[0]] : stride;
        const settings = { stride: step, dilation, padding: [1, 0, 1, 1] as const, groups };
        const sizes = { strides: step, padding: settings.padding, dilations: dilation, eps: 0.1, activation };
        const weight = { shape: [out, inputs / groups, ...kernel], low: -0.5, high: 0.5 };
        return { x, weight, out, settings, sizes, activation };
      });
  const functions = { Relu: nn.relu, Relu6: nn.relu6, Silu: nn.silu };

  it("with a batch norm and an activation in one call", () => {
    holds(
      normed("Relu", "Relu6", "Silu"),
      ({ x, weight, out, settings, sizes, activation }) => {
        expectAgreement(
          (a, w, mean, variance, gamma, beta) => {
            const norm = { mean, variance, gamma, beta };
            const together = fusedNormedConvolutionInference(picture(a), picture(w), norm, sizes);
            if (together !== undefined) return together;
            const convolved = nn.conv2d(picture(a), picture(w), settings);
            const output = nn.batchNormInference(convolved, mean, variance, gamma, beta, 0.1);
            return activation === undefined ? output : functions[activation](output);
          },
          [
            x,
            weight,
            { shape: [out] },
            { shape: [out], low: 0.2, high: 2 },
            { shape: [out] },
            { shape: [out] },
          ],
          { gradients: false },
        );
      },
      15,
    );
  });

  it("with the batch norm of training and an activation in one call", () => {
    const momentum = 0.3;
    holds(
      normed("Relu", "Relu6").filter(({ settings }) => settings.dilation.every((rate) => rate === 1)),
      ({ x, weight, out, settings, sizes, activation }) => {
        const running = {
          mean: tf.linspace(-1, 1, out),
          variance: tf.linspace(1, 2, out),
          batches: tf.scalar(3, "int32"),
        };
        const train = (a: tf.Tensor, w: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => {
          const norm = { running, gamma, beta, momentum };
          const together = fusedNormedConvolution(picture(a), picture(w), norm, sizes);
          if (together !== undefined) return together;
          const convolved = nn.conv2d(picture(a), picture(w), settings);
          const { output, ...batch } = nn.batchNorm(convolved, gamma, beta, 0.1);
          const count = output.size / out;
          return {
            output: activation === undefined ? output : functions[activation](output),
            moved: runningStatistics(running, batch, momentum, count / (count - 1)),
          };
        };
        const inputs = [x, weight, { shape: [out] }, { shape: [out] }];
        expectAgreement((a, w, gamma, beta) => train(a, w, gamma, beta).output, inputs);
        expectAgreement(
          (a, w, gamma, beta) => {
            const { mean, variance, batches } = train(a, w, gamma, beta).moved;
            return tf.concat([mean, variance, tf.reshape(tf.cast(batches, "float32"), [1])]);
          },
          inputs,
          { gradients: false },
        );
      },
      15,
    );
  });

  it("one after the other, with batch norm, activation, addition and pooling between them", () => {
    const wide = fc.constantFrom(8, 16, 32, 6);
    const inputs = fc.tuple(
      fc.integer({ min: 1, max: 2 }),
      side,
      side,
      wide,
      wide,
      fc.constantFrom("relu" as const, "relu6" as const),
    );
    holds(
      inputs,
      ([batch, height, width, first, second, activation]) => {
        expectAgreement(
          (x, v, w, gamma, beta) => {
            const inner = tf.conv2d(picture(x), picture(v), 1, "same");
            const normal = nn.batchNorm(inner, gamma, beta, 1e-3).output as tf.Tensor4D;
            const active = tf[activation](normal);
            const outer = tf.conv2d(active, picture(w), 1, "same");
            const sum = tf.add(tf.mul(outer, beta), inner);
            const pooled = tf.maxPool(picture(sum), 2, 1, "valid");
            return tf.add(tf.mean(pooled, [1, 2]), tf.mean(sum, [0, 1, 2]));
          },
          [
            { shape: [batch, height, width, first] },
            { shape: [3, 3, first, second], low: -0.3, high: 0.3 },
            { shape: [1, 1, second, second], low: -0.5, high: 0.5 },
            { shape: [second], low: 0.5 },
            { shape: [second] },
          ],
          { tolerance: 2e-4 },
        );
      },
      12,
    );
  });
});

describe("comparisons of what convolutions give", () => {
  it("are made of blocked pictures too", () => {
    const inputs = fc.tuple(side, side, fc.constantFrom(3, 8, 16), fc.constantFrom(8, 16));
    holds(inputs, ([height, width, depth, outputs]) => {
      expectAgreement(
        (x, v, w) => {
          const [first, second] = [v, w].map((filter) => tf.conv2d(picture(x), picture(filter), 1, "same"));
          const greater = tf.greater(first!, second!);
          const usual = tf.logicalAnd(greater, tf.isFinite(first!));
          const odd = tf.logicalOr(tf.logicalNot(usual), tf.isNaN(second!));
          return tf.add(tf.where(odd, first!, second!), tf.cast(tf.any(usual, [1, 2], true), "float32"));
        },
        [
          { shape: [1, height, width, depth] },
          ...[1, 2].map((seed) => ({ shape: [3, 3, depth, outputs], seed })),
        ],
        { gradients: false, tolerance: 1e-4 },
      );
    });
  });
});

describe("pooling", () => {
  it.each(["maxPool", "avgPool"] as const)("%s", (name) => {
    holds(
      geometries,
      ({ x, kernel, stride, pad }) => {
        const padding = typeof pad === "number" ? (Math.min(...kernel) > 1 ? pad : 0) : pad;
        // The cpu backend's gradient of a mean counts the padding, which the mean itself does not.
        const isPadded = name === "avgPool" && padding !== "valid" && padding !== 0;
        const rounding = typeof pad === "number" ? "floor" : undefined;
        expectAgreement((a) => tf[name](picture(a), kernel, stride, padding, rounding), [x], {
          gradients: !isPadded,
        });
      },
      15,
    );
  });
});

provesCoverage("images");
