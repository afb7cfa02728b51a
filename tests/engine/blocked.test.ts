/** Convolutions on blocked pictures, whose channels are a multiple of eight, against TF.js's own cpu backend. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import { blockSize } from "../../src/engine/blocked/block_size.js";
import { batchNorm, conv2d } from "../../src/nn/index.js";
import { Generator } from "../../src/random.js";
import { compareBackends, type Argument, type Operation } from "../support/compare_backends.js";

const block = blockSize();
const whole = 2 * Math.max(block, 8);

function check(operation: Operation, args: Argument[]): void {
  const comparison = compareBackends(operation, args, true);
  expect(comparison.outputDifference).toBeLessThan(1e-5);
  for (const difference of comparison.gradientDifferences) expect(difference).toBeLessThan(2e-5);
  expect(comparison.fallbackKernels).toEqual({});
}

const picture = (batch: number, height: number, width: number, channels: number): Argument => ({
  shape: [batch, height, width, channels],
});

const rounding = (padding: string | number) => (typeof padding === "number" ? "floor" : undefined);

describe.skipIf(block === 0)("blocked convolutions (need ONNX Runtime's blocked kernels)", () => {
  const kernels = [
    [1, 1],
    [3, 3],
    [2, 3],
    [5, 5],
  ] as const;
  const paddings = ["same", "valid", 1, 2] as const;
  const cases = kernels.flatMap(([height, width]) =>
    [1, 2, 3].flatMap((stride) =>
      paddings
        // TF.js's own arithmetic is wrong for one number around an oblong kernel.
        .filter((padding) => typeof padding === "string" || (padding < height && height === width))
        .map((padding) => [height, width, stride, padding] as const),
    ),
  );

  it.each(cases)("%d by %d, stride %d, padding %s", (height, width, stride, padding) => {
    const convolve: Operation = (x, w) =>
      tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, padding, "NHWC", 1, rounding(padding));
    check(convolve, [picture(2, 7, 8, whole), { shape: [height, width, whole, 8] }].map(eights));
    check(convolve, [picture(8, 6, 5, whole), { shape: [height, width, whole, whole] }]);
    check(convolve, [picture(2, 7, 6, 3), { shape: [height, width, 3, whole] }]);
    check(convolve, [picture(2, 17, 16, 16), { shape: [height, width, 16, 16] }]);
    check(convolve, [picture(2, 6, 7, block + 4), { shape: [height, width, block + 4, whole] }]);
  });

  it.each(cases)("depthwise %d by %d, stride %d, padding %s", (height, width, stride, padding) => {
    const convolve: Operation = (x, w) =>
      tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, padding, "NHWC", 1, rounding(padding));
    check(convolve, [picture(2, 7, 8, whole), { shape: [height, width, whole, 1] }]);
  });
});

describe.skipIf(block === 0)(
  "what follows a blocked convolution (needs ONNX Runtime's blocked kernels)",
  () => {
    const convolve = (x: tf.Tensor, w: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same");
    const weight: Argument = { shape: [3, 3, whole, whole] };
    const vector: Argument = { shape: [whole] };
    const args = [picture(2, 6, 5, whole), weight, vector, weight];

    it.each([
      [2, 2, "valid"],
      [3, 2, "same"],
      [3, 1, "same"],
    ] as const)("means over windows of %d, stride %d, padding %s", (size, stride, padding) => {
      const pool: Operation = (x, w) => tf.avgPool(convolve(x, w), size, stride, padding);
      // TF.js's own gradient is wrong at the padding.
      if (padding === "valid") check(pool, args.slice(0, 2));
      else expect(compareBackends(pool, args.slice(0, 2), false).outputDifference).toBeLessThan(1e-5);
    });

    function convolutions(operation: Operation): number {
      const tensors = args.slice(0, operation.length).map(({ shape }) => tf.ones(shape));
      engine.startProfiling();
      tf.tidy(() => operation(...tensors)).dataSync();
      const events = engine
        .stopProfiling()
        .filter(({ cat, args }) => cat === "Node" && args.op_name === "Conv");
      return new Set(events.map(({ name }) => name)).size;
    }

    const residual: Operation = (x, w, b, w2) => {
      const first = tf.add(convolve(x, w), b);
      return tf.add(first, tf.add(convolve(first, w2), b));
    };
    const normalized: Operation = (x, w, b) =>
      tf.batchNorm(tf.add<tf.Tensor4D>(convolve(x, w), b), tf.zerosLike(b), tf.onesLike(b), b, b);

    it.each([
      ["a bias", (x, w, b) => tf.add(convolve(x, w), b), 1],
      ["a sum with what led to it", residual, 2],
      ["batch norm in inference after a bias", normalized, 1],
    ] as [string, Operation, number][])("%s takes no pass of its own", (_, operation, expected) => {
      check(operation, args.slice(0, operation.length));
      expect(convolutions(operation)).toBe(expected);
    });
  },
);

describe.skipIf(block === 0)(
  "convolutions of few points that train (need ONNX Runtime's blocked kernels)",
  () => {
    const settings = [
      { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], kernel: [3, 3] },
      { stride: [2, 2], padding: [1, 0, 2, 1], dilation: [1, 1], kernel: [3, 3] },
      { stride: [1, 2], padding: [0, 1, 0, 2], dilation: [1, 1], kernel: [2, 5] },
    ] as const;

    it.each(settings)(
      "stride $stride, padding $padding, kernel $kernel: products of the weight",
      ({ kernel, ...rest }) => {
        // The gradient of the square tells what the convolution gave while it was recorded.
        const operation: Operation = (x, w) =>
          tf.square(conv2d(x as tf.Tensor4D, w as tf.Tensor4D, { ...rest, groups: 1 }));
        const args = [
          { shape: [3, 4, 5, 64], low: -0.2, high: 0.2 },
          { shape: [512, 64, ...kernel], low: -0.2, high: 0.2 },
        ];
        check(operation, args);

        engine.startProfiling();
        const [x, w] = args.map(({ shape }) => tf.ones(shape)) as [tf.Tensor, tf.Tensor];
        tf.tidy(() => tf.grad((filter: tf.Tensor) => operation(x, filter))(w)).dataSync();
        const names = engine.stopProfiling().map(({ args }) => args.op_name);
        expect(names.filter((name) => name === "Gemm").length).toBe(2);
        expect(names).not.toContain("Conv");
      },
    );
  },
);

describe.skipIf(block === 0)("batch norm in training (needs ONNX Runtime's blocked kernels)", () => {
  it("keeps the digits of deviations that are a hundredth of the mean, behind a 1x1 convolution", () => {
    const [points, channels] = [2 * 4 * 4, whole];
    const random = new Generator(1);
    const numbers = (count: number, mean: number, deviation: number) =>
      Float32Array.from({ length: count }, () => mean + deviation * random.normal());
    const [x, w] = [numbers(points * channels, 1, 0.01), numbers(channels * channels, 0, 1)];
    const exact = normalized(x, w, channels);
    const { output, variance } = batchNorm(
      tf.conv2d(tf.tensor4d(x, [2, 4, 4, channels]), tf.tensor4d(w, [1, 1, channels, channels]), 1, "valid"),
      tf.ones([channels]),
      tf.zeros([channels]),
      0,
    );
    expect(farthest(variance.dataSync<"float32">(), exact.variance)).toBeLessThan(1e-7);
    expect(farthest(output.dataSync<"float32">(), exact.output)).toBeLessThan(2e-4);
  });

  /** In float64: x [points, channels] times w [channels, channels], less its mean, by its deviation. */
  function normalized(x: Float32Array, w: Float32Array, channels: number) {
    const points = x.length / channels;
    const product = Array.from({ length: points * channels }, (_, at) => {
      const [point, out] = [Math.floor(at / channels), at % channels];
      let sum = 0;
      for (let i = 0; i < channels; i++) sum += x[point * channels + i]! * w[i * channels + out]!;
      return sum;
    });
    const mean = (values: readonly number[]) =>
      Array.from({ length: channels }, (_, channel) => {
        let sum = 0;
        for (let at = channel; at < values.length; at += channels) sum += values[at]!;
        return sum / points;
      });
    const means = mean(product);
    const centred = product.map((value, at) => value - means[at % channels]!);
    const variance = mean(centred.map((value) => value * value));
    return { variance, output: centred.map((value, at) => value / Math.sqrt(variance[at % channels]!)) };
  }

  function farthest(actual: Float32Array, expected: readonly number[]): number {
    return Math.max(
      ...expected.map((value, i) => Math.abs(actual[i]! - value) / Math.max(1, Math.abs(value))),
    );
  }
});

describe.skipIf(block === 0)("maxima over blocked pictures (need ONNX Runtime's blocked kernels)", () => {
  const pools = [
    [2, "valid", true],
    [3, 1, true],
    [3, "same", false],
    [3, "valid", false],
  ] as const;
  /** Zeros where the picture is negative, so that many windows have several maxima, in blocks. */
  const blocked = (x: tf.Tensor): tf.Tensor4D =>
    tf.relu(tf.conv2d(x as tf.Tensor4D, tf.reshape(tf.eye(whole), [1, 1, whole, whole]), 1, "same"));
  const operators = (operation: Operation, x: tf.Tensor): Set<unknown> => {
    engine.startProfiling();
    tf.tidy(() => tf.grad((a) => operation(a))(x)).dataSync();
    return new Set(engine.stopProfiling().map(({ args }) => args.op_name));
  };

  it.each(pools)(
    "of windows of %d at stride 2, padding %s: the first of several has the gradient",
    (size, pad, inBlocks) => {
      const pool: Operation = (x) => tf.maxPool(blocked(x), size, 2, pad, rounding(pad));
      for (const low of [-1, 0.5]) check(pool, [{ ...picture(2, 8, 6, whole), low, high: 1, among: [0.75] }]);
      expect(operators(pool, tf.ones([2, 8, 6, whole])).has("ScatterElements")).toBe(!inBlocks);
    },
  );

  it.each(pools)(
    "of windows of %d at stride 2, padding %s: NaN is passed over, infinities are not",
    (size, pad) => {
      const zeros = { low: -1, high: 0.3 };
      const specials: [string, (x: tf.Tensor) => tf.Tensor, Partial<Argument>, number][] = [
        ["NaN among numbers", (x) => x, { among: [NaN] }, 0],
        ["minus infinity among numbers and alone", (x) => tf.log(x), zeros, 1e-5],
        ["minus infinity and NaN alone", (x) => tf.log(tf.neg(x)), zeros, 0],
        ["infinity", (x) => tf.div(1, x), zeros, 1e-5],
      ];
      for (const [what, special, values, most] of specials) {
        const pool: Operation = (x) =>
          tf.maxPool(special(blocked(x)) as tf.Tensor4D, size, 2, pad, rounding(pad));
        const { outputDifference } = compareBackends(
          pool,
          [{ ...picture(1, 4, 6, whole), ...values }],
          false,
        );
        expect(outputDifference, what).toBeLessThanOrEqual(most);
      }
    },
  );
});

/** Eight output channels are half a block on processors with blocks of sixteen. */
function eights(argument: Argument): Argument {
  return { ...argument, shape: argument.shape.map((length) => (length === 8 && block === 16 ? 16 : length)) };
}
