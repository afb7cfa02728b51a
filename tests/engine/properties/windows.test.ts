/** What slides over pictures against TF.js's cpu backend: transposed and fused convolutions, dilation, LRN, odd pools. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, it } from "vitest";
import "../../../src/engine/index.js";
import { expectAgreement, holds, length, tensorOf } from "../../support/arbitraries.js";
import type { Argument, Operation } from "../../support/compare_backends.js";
import { expectDerivatives } from "../../support/finite_differences.js";
import { provesCoverage } from "../../support/kernel_coverage.js";

afterEach(() => tf.setBackend("onnxruntime"));

type Two = [number, number];
type Four = [number, number, number, number];
const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const two = (min: number, max: number): fc.Arbitrary<Two> => fc.tuple(integer(min, max), integer(min, max));
const picture = (x: tf.Tensor): tf.Tensor4D => x as tf.Tensor4D;
const channels = fc.constantFrom(1, 2, 3, 8, 16);
const pads = fc.constantFrom("same" as const, "valid" as const);
const logicalShape = ({ shape, transposed }: Argument): number[] =>
  (transposed ?? [...shape.keys()]).map((axis) => shape[axis]!);

const windows = fc
  .record({
    batch: length,
    sides: two(3, 7),
    inputs: channels,
    outputs: channels,
    kernel: two(1, 3),
    stride: two(1, 3),
    pad: pads,
  })
  .chain(({ batch, sides, inputs, ...rest }) =>
    tensorOf([batch, ...sides, inputs]).map((x) => ({ x, inputs, ...rest })),
  );

describe("convolutions", () => {
  it("transposed, with their gradients", () => {
    holds(
      windows,
      ({ x, inputs, outputs, kernel, stride, pad }) => {
        const [batch, ...sides] = logicalShape(x) as Four;
        const out = sides.slice(0, 2).map((size, i) => {
          return pad === "same" ? size * stride[i]! : (size - 1) * stride[i]! + kernel[i]!;
        });
        const shape = [batch, ...out, outputs] as Four;
        expectAgreement(
          (a, w) => tf.conv2dTranspose(picture(a), picture(w), shape, stride, pad),
          [x, { shape: [...kernel, outputs, inputs] }],
        );
      },
      15,
    );
  });

  const activations = ["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu"] as const;
  const biases = fc.constantFrom<(number[] | "vector" | undefined)[]>(undefined, "vector", [], [1, 1, 1]);

  it.each(["conv2d", "depthwiseConv2d"] as const)("fused %s, with bias and any activation", (name) => {
    const isDense = name === "conv2d";
    holds(
      fc.tuple(windows, fc.constantFrom(...activations), biases),
      ([{ x, inputs, outputs, kernel, stride, pad }, activation, biasShape]) => {
        const step: Two = isDense ? stride : [stride[0], stride[0]];
        const out = isDense ? outputs : inputs * 2;
        const bias = biasShape && [{ shape: biasShape === "vector" ? [out] : biasShape }];
        const slope = activation === "prelu" ? [{ shape: [out] }] : [];
        const operation: Operation = (a, w, ...rest) =>
          tf.fused[name]({
            x: picture(a),
            filter: picture(w),
            strides: step,
            pad,
            activation,
            ...(bias && { bias: rest[0]! }),
            ...(slope.length > 0 && { preluActivationWeights: rest.at(-1)! }),
            ...(activation === "leakyrelu" && { leakyreluAlpha: 0.3 }),
          });
        const filter = { shape: [...kernel, inputs, isDense ? out : 2] };
        expectAgreement(operation, [x, filter, ...(bias ?? []), ...slope], {
          gradients: activation === "linear" && biasShape === "vector",
        });
      },
      20,
    );
  });

  it("channels-first, fused", () => {
    const inputs = fc.tuple(fc.integer({ min: 1, max: 2 }), two(3, 6), channels, channels, fc.boolean());
    holds(inputs, ([batch, sides, inner, outer, isPrelu]) => {
      expectAgreement(
        (x, filter, bias, slope) =>
          tf.fused.conv2d({
            x: picture(x),
            filter: picture(filter),
            strides: 1,
            pad: "same",
            dataFormat: "NCHW",
            bias: bias,
            ...(isPrelu ? { activation: "prelu", preluActivationWeights: slope } : { activation: "elu" }),
          }),
        [
          { shape: [batch, inner, ...sides] },
          { shape: [3, 3, inner, outer] },
          { shape: [outer] },
          { shape: [outer] },
        ],
        { gradients: false },
      );
    });
  });
});

describe("a number as padding", () => {
  // TF.js works out both lengths of the result from the window's height: right only where windows and strides are square.
  // The engine pads each side by the number, which TF.js can be told in full.
  const geometry = fc.record({
    sides: two(4, 7),
    inner: channels,
    outer: channels,
    kernel: two(1, 3),
    stride: two(1, 3),
    pad: integer(0, 2),
  });
  const onCpu = (name: string): boolean => name === "cpu";

  it("of oblong convolutions is that of each side", () => {
    holds(geometry, ({ sides, inner, outer, kernel, stride, pad }) => {
      const explicit = [
        [0, 0],
        [pad, pad],
        [pad, pad],
        [0, 0],
      ] as tf.backend_util.ExplicitPadding;
      expectAgreement(
        (x, w) => {
          const padding = onCpu(tf.getBackend()) ? explicit : pad;
          return tf.conv2d(picture(x), picture(w), stride, padding, "NHWC", 1, "floor");
        },
        [{ shape: [2, ...sides, inner] }, { shape: [...kernel, inner, outer] }],
      );
    });
  });

  it.each(["maxPool", "avgPool"] as const)("of an oblong %s is that of each side", (name) => {
    holds(geometry, ({ sides, inner, kernel, stride, pad: drawn }) => {
      const pad = Math.min(drawn, Math.min(...kernel) - 1);
      const explicit = [
        [0, 0],
        [pad, pad],
        [pad, pad],
        [0, 0],
      ] as tf.backend_util.ExplicitPadding;
      const operation: Operation = (x) =>
        tf[name](picture(x), kernel, stride, onCpu(tf.getBackend()) ? explicit : pad, "floor");
      const x = { shape: [2, ...sides, inner] };
      expectAgreement(operation, [x], { gradients: name === "maxPool" });
      if (name === "avgPool") expectDerivatives(operation, [x], { step: 1 });
    });
  });
});

describe("pools", () => {
  it("of means, whose gradient leaves out the padding as they do", () => {
    holds(windows, ({ x, kernel, stride, pad }) => {
      const operation: Operation = (a) => tf.avgPool(picture(a), kernel, stride, pad);
      expectAgreement(operation, [x], { gradients: false });
      if (!x.shape.includes(0)) expectDerivatives(operation, [x], { step: 1 });
    });
  });

  it("of maxima with their positions", () => {
    holds(fc.tuple(windows, fc.boolean()), ([{ x, kernel, stride, pad }, hasBatch]) => {
      const pool = (a: tf.Tensor) => tf.maxPoolWithArgmax(picture(a), kernel, stride, pad, hasBatch);
      expectAgreement((a) => pool(a).result!, [x], { gradients: false }); // TF.js has no gradient
      expectAgreement((a) => pool(a).indexes!, [x], { gradients: false });
    });
  });
});

describe("dilation", () => {
  it("with strides or dilations", () => {
    const inputs = fc.tuple(windows, fc.boolean());
    holds(
      inputs,
      ([{ x, inputs: depth, kernel, stride, pad }, dilates]) => {
        const [, height, width] = logicalShape(x) as Four;
        const fits = kernel.every((size, i) => (size - 1) * stride[i]! < [height, width][i]!);
        const steps: [Two, Two] = dilates && fits ? [[1, 1], stride] : [stride, [1, 1]];
        expectAgreement(
          (a, w) => tf.dilation2d(picture(a), w as tf.Tensor3D, steps[0], pad, steps[1]),
          [x, { shape: [...kernel, depth] }],
        );
      },
      12,
    );
  });
});

describe("local response normalisation", () => {
  it("over any radius", () => {
    const numbers = fc.tuple(
      integer(0, 4),
      fc.constantFrom(1, 2),
      fc.constantFrom(0.5, 1),
      fc.constantFrom(0.5, 0.75),
    );
    holds(fc.tuple(windows, numbers), ([{ x }, [radius, bias, alpha, beta]]) => {
      expectAgreement((a) => tf.localResponseNormalization(picture(a), radius, bias, alpha, beta), [x]);
    });
  });
});

provesCoverage("windows");
