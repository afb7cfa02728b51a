/** Every lowered kernel against TF.js's own cpu backend: values, gradients, and no fallback on the way. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { check, type Case } from "../support/check_kernels.js";
import type { Argument } from "../support/compare_backends.js";

const noGradient = { gradients: false };
const picture: Argument = { shape: [2, 7, 8, 3] };
const tagged: Argument = { shape: [2, 3, 7, 8], transposed: [0, 2, 3, 1] };
const positive: Argument = { shape: [3, 4], low: 0.1, high: 3 };
const unit: Argument = { shape: [3, 4], low: -0.9, high: 0.9 };
const matrix: Argument = { shape: [3, 4] };
const image = (tensor: tf.Tensor): tf.Tensor4D => tensor as tf.Tensor4D;

describe("elementwise", () => {
  const anywhere = [
    "abs",
    "atan",
    "asinh",
    "cos",
    "elu",
    "erf",
    "exp",
    "expm1",
    "neg",
    "relu",
    "selu",
    "sigmoid",
  ];
  const more = ["sin", "sinh", "cosh", "softplus", "square", "tan", "tanh", "relu6", "leakyRelu"];
  const unary = (name: string, argument: Argument, options?: { gradients?: boolean }): Case => [
    name,
    (x) => (tf as unknown as Record<string, (x: tf.Tensor) => tf.Tensor>)[name]!(x),
    [argument],
    options,
  ];
  check([
    ...[...anywhere, ...more].map((name) => unary(name, matrix)),
    ...["log", "log1p", "reciprocal", "rsqrt", "sqrt"].map((name) => unary(name, positive)),
    ...["acos", "asin", "atanh"].map((name) => unary(name, unit)),
    unary("acosh", { shape: [5], low: 1.1, high: 4 }),
    ...["ceil", "floor", "round", "sign", "isNaN", "isInf", "step"].map((name) =>
      unary(name, matrix, noGradient),
    ),
    unary("relu", tagged),
    unary("logicalNot", { shape: [5], dtype: "bool" }, noGradient),
    ["clip", (x) => tf.clipByValue(x, -0.5, 1), [matrix]],
    ["prelu", (x, a) => tf.prelu(x, a), [matrix, { shape: [4] }], noGradient],
    ["cast to int", (x) => tf.cast(x, "int32"), [matrix], noGradient],
    [
      "cast to bool",
      (x) => tf.cast(x, "bool"),
      [{ shape: [9], dtype: "int32", low: -1, high: 2 }],
      noGradient,
    ],
    [
      "int32 arithmetic",
      (a, b) => tf.mul(tf.add(a, b), tf.sub(a, b)),
      [
        { shape: [6], dtype: "int32", low: -9, high: 9 },
        { shape: [6], dtype: "int32", low: -9, high: 9 },
      ],
      noGradient,
    ],
  ]);
});

describe("binary, with broadcasting and mixed layouts", () => {
  const pairs: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][] = [
    ["add", tf.add],
    ["sub", tf.sub],
    ["mul", tf.mul],
  ];
  // TF.js's own gradients of these forget that an operand was broadcast.
  const withoutBroadcastGradient: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][] = [
    ["maximum", tf.maximum],
    ["minimum", tf.minimum],
    ["squaredDifference", tf.squaredDifference],
  ];
  const comparisons: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][] = [
    ["greater", tf.greater],
    ["greaterEqual", tf.greaterEqual],
    ["less", tf.less],
    ["lessEqual", tf.lessEqual],
    ["equal", tf.equal],
    ["notEqual", tf.notEqual],
  ];
  const few: Argument = { shape: [4, 3], dtype: "int32", low: 0, high: 3 };
  const layouts: [string, Argument, Argument][] = [
    ["same", matrix, matrix],
    ["row", matrix, { shape: [4] }],
    ["column", matrix, { shape: [3, 1] }],
    ["scalar", matrix, { shape: [] }],
    ["tagged and channel", tagged, { shape: [3] }],
    ["tagged and plain", tagged, picture],
    ["plain and tagged", picture, tagged],
    ["tagged and [8, 1]", tagged, { shape: [8, 1] }],
    ["tagged of lower rank", picture, { shape: [3, 8], transposed: [1, 0] }],
  ];
  check([
    ...pairs.flatMap(([name, operation]) =>
      layouts.map(([layout, a, b]): Case => [`${name}: ${layout}`, operation, [a, b]]),
    ),
    ...withoutBroadcastGradient.flatMap(([name, operation]) =>
      layouts.map(([layout, a, b]): Case => {
        const gradients = String(a.shape) === String(b.shape);
        return [`${name}: ${layout}`, operation, [a, b], { gradients }];
      }),
    ),
    ["div", (a, b) => tf.div(a, b), [matrix, positive]],
    ["pow", (a, b) => tf.pow(a, b), [positive, matrix]],
    ["floorDiv", (a, b) => tf.floorDiv(a, b), [matrix, positive], noGradient],
    ["mod", (a, b) => tf.mod(a, b), [matrix, positive], noGradient],
    ...comparisons.map(([name, operation]): Case => [name, operation, [few, few], noGradient]),
    [
      "logicalAnd",
      tf.logicalAnd,
      [
        { shape: [8], dtype: "bool" },
        { shape: [8], dtype: "bool" },
      ],
      noGradient,
    ],
    ["where", (c, a, b) => tf.where(c, a, b), [{ shape: [3, 4], dtype: "bool" }, matrix, matrix]],
    [
      "where over tagged",
      (c, a, b) => tf.where(c, a, b),
      [{ shape: [2, 7, 8, 3], dtype: "bool" }, tagged, picture],
    ],
    ["addN", (a, b, c) => tf.addN([a, b, c]), [matrix, matrix, matrix]],
  ]);
});

describe("reductions", () => {
  const reductions: [string, (x: tf.Tensor, axis?: number | number[], keepDims?: boolean) => tf.Tensor][] = [
    ["sum", tf.sum],
    ["mean", tf.mean],
    ["max", tf.max],
    ["min", tf.min],
  ];
  const axes: (number | number[] | undefined)[] = [undefined, 0, -1, [0, 1, 2], [1, 3]];
  check([
    ...reductions.flatMap(([name, operation]) =>
      axes.flatMap((axis) =>
        [false, true].map((keepDims): Case => [
          `${name} over ${JSON.stringify(axis)}${keepDims ? ", kept" : ""}`,
          (x) => operation(x, axis, keepDims),
          [tagged],
        ]),
      ),
    ),
    ["sum of a scalar", (x) => tf.sum(x), [{ shape: [] }]],
    ["sum of bool", (x) => tf.sum(x), [{ shape: [9], dtype: "bool" }], noGradient],
    ["prod", (x) => tf.prod(x, 1), [positive], noGradient],
    ["all", (x) => tf.all(x, 0), [{ shape: [2, 5], dtype: "bool" }], noGradient],
    ["any", (x) => tf.any(x, 0), [{ shape: [2, 5], dtype: "bool" }], noGradient],
    ["argMax", (x) => tf.argMax(x, 1), [tagged], noGradient],
    ["argMin", (x) => tf.argMin(x, -1), [tagged], noGradient],
    ["softmax", (x) => tf.softmax(x), [tagged]],
    ["logSoftmax", (x) => tf.logSoftmax(x), [tagged]],
    ["logSumExp", (x) => tf.logSumExp(x, 1), [matrix]],
    ["cumsum", (x) => tf.cumsum(x, 1), [tagged], noGradient],
    ["cumsum exclusive reverse", (x) => tf.cumsum(x, 0, true, true), [matrix], noGradient],
    ["topk values", (x) => tf.topk(x, 3).values, [matrix], noGradient],
    ["topk indices", (x) => tf.topk(x, 3).indices, [matrix], noGradient],
    ["moments", (x) => tf.moments(x, [0, 1, 2]).variance, [tagged]],
  ]);
});

describe("shapes", () => {
  check([
    ["reshape", (x) => tf.reshape(x, [6, -1]), [tagged]],
    ["squeeze", (x) => tf.squeeze(tf.mean(x, [1, 2], true)), [tagged]],
    ["expandDims", (x) => tf.expandDims(x, -1), [tagged]],
    ["transpose twice", (x) => tf.transpose(tf.transpose(x, [3, 0, 1, 2]), [2, 1, 0, 3]), [tagged]],
    ["concat", (a, b) => tf.concat([a, b], 3), [tagged, picture]],
    ["stack", (a, b) => tf.stack([a, b], 1), [matrix, matrix]],
    ["unstack", (x) => tf.add(tf.unstack(x, 1)[0]!, tf.unstack(x, 1)[2]!), [matrix]],
    ["split", (x) => tf.split(x, [1, 2], 3)[1]!, [tagged]],
    ["slice", (x) => tf.slice(x, [0, 1, 2, 0], [2, 3, -1, 2]), [tagged]],
    ["stridedSlice", (x) => tf.stridedSlice(x, [0, 6], [3, 0], [1, -2]), [{ shape: [3, 8] }], noGradient],
    ["stridedSlice to the start", (x) => tf.stridedSlice(x, [6], [-9], [-2]), [{ shape: [8] }], noGradient],
    [
      "pad",
      (x) =>
        tf.pad(
          x,
          [
            [0, 0],
            [1, 2],
            [0, 3],
            [0, 1],
          ],
          0.5,
        ),
      [tagged],
    ],
    [
      "mirrorPad",
      (x) =>
        tf.mirrorPad(
          x,
          [
            [1, 1],
            [2, 0],
          ],
          "reflect",
        ),
      [matrix],
      noGradient,
    ],
    ["tile", (x) => tf.tile(x, [1, 2, 1, 3]), [tagged]],
    ["reverse", (x) => tf.reverse(x, [1, 3]), [tagged]],
    ["fill", () => tf.fill([2, 3], 4), [], noGradient],
    ["zerosLike", (x) => tf.zerosLike(x), [matrix], noGradient],
    ["broadcastTo", (x) => tf.broadcastTo(x, [5, 3, 4]), [matrix]],
  ]);
});

describe("matrix products", () => {
  check([
    ...[false, true].flatMap((a) =>
      [false, true].map((b): Case => [
        `2-D ${a ? "T" : "N"}${b ? "T" : "N"}`,
        (x, y) => tf.matMul(x, y, a, b),
        [{ shape: a ? [5, 3] : [3, 5] }, { shape: b ? [4, 5] : [5, 4] }],
      ]),
    ),
    [
      "memory transposed",
      (x, y) => tf.matMul(x, y),
      [
        { shape: [5, 3], transposed: [1, 0] },
        { shape: [4, 5], transposed: [1, 0] },
      ],
    ],
    ["batched", (x, y) => tf.matMul(x, y, false, true), [{ shape: [2, 3, 5] }, { shape: [2, 4, 5] }]],
    [
      "batched with broadcasting",
      (x, y) => tf.matMul(x, y),
      [{ shape: [2, 3, 5] }, { shape: [1, 5, 4] }],
      noGradient,
    ],
    [
      "einsum",
      (x, y) => tf.einsum("bij,bjk->bik", x, y),
      [{ shape: [2, 3, 5] }, { shape: [2, 5, 4] }],
      noGradient,
    ],
    ["dot", (x, y) => tf.dot(x, y), [{ shape: [5] }, { shape: [5] }]],
  ]);
});

describe("convolutions", () => {
  const paddings: ["same" | "valid" | number, string][] = [
    ["same", "same"],
    ["valid", "valid"],
    [1, "1"],
  ];
  const dense = [1, 2, 3].flatMap((size) =>
    [1, 2, 3].flatMap((stride) =>
      paddings.map(([pad, name]): Case => [
        `conv ${size}x${size}, stride ${stride}, padding ${name}`,
        (x, w) => tf.conv2d(image(x), image(w), stride, pad, "NHWC", 1, pad === 1 ? "floor" : undefined),
        [{ shape: [2, 9, 8, 3] }, { shape: [size, size, 3, 4] }],
      ]),
    ),
  );
  const depthwise = [1, 2].flatMap((stride) =>
    [1, 2].flatMap((multiplier) =>
      paddings.map(([pad, name]): Case => [
        `depthwise, stride ${stride}, multiplier ${multiplier}, padding ${name}`,
        (x, w) =>
          tf.depthwiseConv2d(image(x), image(w), stride, pad, "NHWC", 1, pad === 1 ? "floor" : undefined),
        [{ shape: [2, 9, 8, 3] }, { shape: [3, 3, 3, multiplier] }],
      ]),
    ),
  );
  check([
    ...dense,
    ...depthwise,
    [
      "conv of tagged",
      (x, w) => tf.conv2d(image(x), image(w), 1, "same"),
      [tagged, { shape: [4, 3, 3, 3], transposed: [2, 3, 1, 0] }],
    ],
    [
      "uneven explicit padding",
      (x, w) =>
        tf.conv2d(
          image(x),
          image(w),
          2,
          [
            [0, 0],
            [1, 0],
            [2, 1],
            [0, 0],
          ],
          "NHWC",
          1,
          "floor",
        ),
      [picture, { shape: [3, 3, 3, 2] }],
    ],
    [
      "dilated",
      (x, w) => tf.conv2d(image(x), image(w), 1, "same", "NHWC", 2),
      [picture, { shape: [3, 3, 3, 2] }],
      noGradient,
    ],
    [
      "fused with bias and relu",
      (x, w, b) =>
        tf.fused.conv2d({
          x: image(x),
          filter: image(w),
          strides: 1,
          pad: "same",
          bias: b,
          activation: "relu",
        }),
      [picture, { shape: [3, 3, 3, 2] }, { shape: [2] }],
      noGradient,
    ],
    [
      "conv2dTranspose",
      (x, w) => tf.conv2dTranspose(image(x), image(w), [2, 14, 16, 2], 2, "same"),
      [picture, { shape: [3, 3, 2, 3] }],
    ],
  ]);
});

describe("pooling", () => {
  const sizes: [number, number][] = [
    [2, 2],
    [3, 2],
    [3, 1],
  ];
  const rounding = (pad: string | number) => (pad === 1 ? "floor" : undefined);
  check(
    (["same", "valid", 1] as const).flatMap((pad) =>
      sizes.flatMap(([size, stride]): Case[] => [
        [
          `max ${size}/${stride} ${pad}`,
          (x) => tf.maxPool(image(x), size, stride, pad, rounding(pad)),
          [picture],
        ],
        // TF.js's cpu gradient of a padded average divides by the whole window, unlike its forward pass.
        [
          `avg ${size}/${stride} ${pad}`,
          (x) => tf.avgPool(image(x), size, stride, pad, rounding(pad)),
          [picture],
          { gradients: pad === "valid" },
        ],
      ]),
    ),
  );

  it.each(sizes)(
    "average of %s by %s: the gradient agrees with finite differences at the padding",
    (size, stride) => {
      void tf.setBackend("onnxruntime");
      const x = Array.from({ length: 25 }, (_, i) => Math.sin(i));
      const energy = (values: tf.Tensor): tf.Tensor =>
        tf.sum(tf.square(tf.avgPool(tf.reshape<tf.Rank.R4>(values, [1, 5, 5, 1]), size, stride, 1, "floor")));
      const gradient = tf.grad(energy)(tf.tensor1d(x)).dataSync();
      const step = 0.05; // the function is quadratic, so central differences are exact
      for (let i = 0; i < x.length; i++) {
        const moved = (by: number) =>
          energy(tf.tensor1d(x.map((value, j) => (i === j ? value + by : value)))).dataSync()[0]!;
        expect(gradient[i]).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 4);
      }
    },
  );
});

describe("indexing", () => {
  check([
    [
      "gather",
      (x, i) => tf.gather(x, tf.cast(i, "int32")),
      [matrix, { shape: [2, 3], dtype: "int32", low: 0, high: 3 }],
    ],
    [
      "gather along 1",
      (x, i) => tf.gather(x, i, 1),
      [matrix, { shape: [5], dtype: "int32", low: 0, high: 4 }],
    ],
    [
      "gatherND",
      (x, i) => tf.gatherND(x, i),
      [matrix, { shape: [5, 2], dtype: "int32", low: 0, high: 3 }],
      noGradient,
    ],
    [
      "unsortedSegmentSum",
      (x, i) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 3),
      [{ shape: [5, 2] }, { shape: [5], dtype: "int32", low: -1, high: 3 }],
      noGradient,
    ],
    [
      "scatterND",
      (i, x) => tf.scatterND(i, x, [6, 2]),
      [{ shape: [5, 1], dtype: "int32", low: 0, high: 6 }, { shape: [5, 2] }],
      noGradient,
    ],
    ["oneHot", (i) => tf.oneHot(i, 4), [{ shape: [7], dtype: "int32", low: -1, high: 5 }], noGradient],
  ]);
});

describe("normalisation", () => {
  const channel: Argument = { shape: [3], low: 0.2, high: 2 };
  check([
    [
      "batchNorm",
      (x, mean, variance, offset, scale) => tf.batchNorm(x, mean, variance, offset, scale, 1e-3),
      [tagged, channel, channel, channel, channel],
    ],
  ]);
});

describe("types that graphs do not know", () => {
  it("keeps strings", () => {
    void tf.setBackend("onnxruntime");
    expect(tf.concat([tf.tensor1d(["a", "b"]), tf.tensor1d(["ç"])]).dataSync()).toEqual(["a", "b", "ç"]);
  });

  it("keeps complex numbers", () => {
    void tf.setBackend("onnxruntime");
    const spectrum = tf.spectral.rfft(tf.tensor1d([1, 2, 3, 4]));
    expect(Array.from(tf.real(spectrum).dataSync())).toEqual([10, -2, -2]);
    expect(Array.from(tf.imag(spectrum).dataSync())).toEqual([0, 2, 0]);
  });
});
