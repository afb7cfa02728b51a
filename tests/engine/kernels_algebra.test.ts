/** Kernels of numbers, scans and indices against TF.js's own cpu backend; gradients that TF.js lacks against differences. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import { Generator } from "../../src/random.js";
import { check, type Case } from "../support/check_kernels.js";
import { compareBackends, type Argument } from "../support/compare_backends.js";

const noGradient = { gradients: false };
const matrix: Argument = { shape: [3, 4] };
const tagged: Argument = { shape: [4, 3], transposed: [1, 0] };
const integers: Argument = { shape: [40], dtype: "int32", low: -20, high: 21 };
const bits: Argument = { shape: [8], dtype: "bool" };
const vector = (tensor: tf.Tensor): tf.Tensor1D => tensor as tf.Tensor1D;

describe("products of columns", () => {
  const product = (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b, true);

  it.each([
    ["the left operand", 96, 128],
    ["the right operand and the product", 160, 48],
  ])("turn %s, once", (_, m, n) => {
    const args = [m, n].map((columns) => ({ shape: [640, columns] }));
    const { outputDifference, gradientDifferences } = compareBackends(product, args, true);
    expect(Math.max(outputDifference, ...gradientDifferences)).toBeLessThan(1e-5);

    engine.startProfiling();
    tf.tidy(() => product(tf.ones([640, m]), tf.ones([640, n]))).dataSync();
    const names = engine.stopProfiling().map(({ args }) => args.op_name);
    expect(names.filter((name) => name === "Transpose").length).toBe(m <= n ? 1 : 2);
  });
});

describe("numbers", () => {
  check([
    ["atan2", (a, b) => tf.atan2(a, b), [{ shape: [40] }, { shape: [40] }]],
    ["atan2 with broadcasting", (a, b) => tf.atan2(a, b), [tagged, { shape: [4] }]],
    [
      "floorDiv of int32",
      (a, b) => tf.floorDiv(a, b),
      [integers, { ...integers, low: -3, high: 4 }],
      noGradient,
    ],
    ["mod of int32", (a, b) => tf.mod(a, b), [integers, { ...integers, low: -3, high: 4 }], noGradient],
    ["div of int32", (a, b) => tf.div(a, b), [integers, { ...integers, low: 1, high: 4 }], noGradient],
    ["bitwiseAnd", (a, b) => tf.bitwiseAnd(a, b), [integers, integers], noGradient],
    ["relu of int32", (a) => tf.relu(a), [integers], noGradient],
    ["clip of int32", (a) => tf.clipByValue(a, -3, 7), [integers], noGradient],
    ["sign of int32", (a) => tf.sign(a), [integers], noGradient],
    ["addN of int32", (a, b) => tf.addN([a, b, a]), [integers, integers], noGradient],
    ["max of bool", (a) => tf.max(a), [bits], noGradient],
    ["where of bool", (c, a, b) => tf.where(c, a, b), [bits, bits, bits], noGradient],
    ["greater of bool", (a, b) => tf.greater(a, b), [bits, { ...bits, shape: [1] }], noGradient],
    ["logicalXor", tf.logicalXor, [bits, { ...bits, shape: [1] }], noGradient],
    ["pad of bool", (a) => tf.pad(a, [[1, 2]], 1), [bits], noGradient],
    [
      "matMul of int32",
      (a, b) => tf.matMul(a, b, false, true),
      [
        { ...integers, shape: [3, 4] },
        { ...integers, shape: [5, 4] },
      ],
      noGradient,
    ],
    [
      "fused product",
      (a, b, c) => tf.fused.matMul({ a, b, bias: c, activation: "relu6" }),
      [matrix, { shape: [4, 5] }, { shape: [5] }],
    ],
    ["linspace", () => tf.linspace(-1, 2, 7), [], noGradient],
    ["range down", () => tf.range(5, 1), [], noGradient],
    ["fill", () => tf.fill([2, 3], 0.37), [], noGradient],
    ["diag", (x) => tf.diag(x), [{ shape: [2, 3] }], noGradient],
    [
      "mirrorPad symmetric",
      (x) =>
        tf.mirrorPad(
          x,
          [
            [2, 1],
            [0, 3],
          ],
          "symmetric",
        ),
      [tagged],
    ],
    [
      "mirrorPad reflect",
      (x) =>
        tf.mirrorPad(
          x,
          [
            [2, 1],
            [0, 3],
          ],
          "reflect",
        ),
      [tagged],
    ],
  ]);

  it("treats what is not finite as IEEE 754 and TF.js do", () => {
    const special = [NaN, Infinity, -Infinity, 0, -1.5, 2];
    const operations: ((x: tf.Tensor) => tf.Tensor)[] = [
      tf.isFinite, tf.isNaN, tf.isInf, tf.sign, (x) => tf.step(x), (x) => tf.step(x, 0.5), tf.relu, tf.relu6,
      (x) => tf.clipByValue(x, -1, 1), tf.max, tf.min, (x) => tf.maximum(x, 0), (x) => tf.minimum(x, 0),
      (x) => tf.atan2(x, tf.reverse(x)), (x) => tf.max(tf.slice(x, 1)), (x) => tf.add(x, tf.reverse(x)),
    ]; // prettier-ignore
    for (const operation of operations) {
      void tf.setBackend("cpu");
      const expected = operation(tf.tensor1d(special)).dataSync();
      void tf.setBackend("onnxruntime");
      const actual = operation(tf.tensor1d(special)).dataSync();
      expect(Array.from(actual, (value) => Math.fround(value))).toEqual(
        Array.from(expected, (value) => Math.fround(value)),
      );
    }
  });

  it("divides int32 by zero without harm, and the smallest by -1", () => {
    void tf.setBackend("onnxruntime");
    const smallest = -(2 ** 31);
    const a = tf.tensor1d([7, -7, smallest], "int32");
    const b = tf.tensor1d([0, 2, -1], "int32");
    expect(Array.from(tf.floorDiv(a, b).dataSync())).toEqual([0, -4, smallest]);
    expect(Array.from(tf.mod(a, b).dataSync())).toEqual([0, 1, 0]);
  });
});

describe("scans and searches", () => {
  const flags: [boolean, boolean][] = [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ];
  check([
    ...flags.flatMap(([exclusive, reverse]): Case[] => [
      [`cumsum, ${exclusive}, ${reverse}`, (x) => tf.cumsum(x, 0, exclusive, reverse), [tagged]],
      [
        `cumprod, ${exclusive}, ${reverse}`,
        (x) => tf.cumprod(x, 1, exclusive, reverse),
        [{ shape: [3, 7], transposed: [1, 0] }],
      ],
    ]),
    ["prod", (x) => tf.prod(x, [0, 2]), [{ shape: [2, 3, 4] }]],
    [
      "searchSorted",
      (x) =>
        tf.searchSorted(
          tf.tensor2d([
            [-1, 0, 0, 1.5],
            [-2, -1, 0, 1],
          ]),
          x,
          "left",
        ),
      [{ shape: [2, 5] }],
      noGradient,
    ],
    [
      "searchSorted right",
      (x) => tf.searchSorted(tf.tensor1d([0, 1, 1, 3]), tf.round(x), "right"),
      [{ shape: [9], low: -1, high: 5 }],
      noGradient,
    ],
    ["topk of ties", (x) => tf.topk(tf.round(x), 5).indices, [{ shape: [3, 12] }], noGradient],
  ]);
});

describe("indices", () => {
  const rows: Argument = { shape: [5], dtype: "int32", low: -1, high: 5 };
  check([
    [
      "gather in batches",
      (x, i) => tf.gather(x, i, 1, 1),
      [{ shape: [2, 4, 3] }, { shape: [2, 5], dtype: "int32", low: 0, high: 4 }],
    ],
    [
      "gather in batches along 2",
      (x, i) => tf.gather(x, i, 2, 1),
      [{ shape: [2, 3, 4, 2] }, { shape: [2, 5], dtype: "int32", low: 0, high: 4 }],
    ],
    [
      "gather of tagged",
      (x, i) => tf.gather(x, i, 1),
      [tagged, { shape: [2, 2], dtype: "int32", low: 0, high: 4 }],
    ],
    [
      "segments of int32",
      (x, i) => tf.unsortedSegmentSum(x, vector(i), 3),
      [{ shape: [5, 2], dtype: "int32", low: -9, high: 9 }, rows],
      noGradient,
    ],
    [
      "segments",
      (x, i) => tf.unsortedSegmentSum(x, vector(i), 3),
      [{ shape: [5, 2] }, { ...rows, low: 0, high: 3 }],
    ],
    [
      "bincount",
      (i) => tf.bincount(vector(i), tf.tensor1d([]), 4),
      [{ ...rows, low: 0, high: 6 }],
      noGradient,
    ],
    [
      "bincount with weights",
      (i, w) => tf.bincount(vector(i), vector(w), 4),
      [{ ...rows, low: 0, high: 6 }, { shape: [5] }],
      noGradient,
    ],
    [
      "denseBincount",
      (i) => tf.denseBincount(i as tf.Tensor2D, tf.tensor2d([], [0, 0]), 4),
      [{ ...rows, shape: [3, 9], low: 0, high: 6 }],
      noGradient,
    ],
    [
      "denseBincount, binary",
      (i) => tf.denseBincount(i as tf.Tensor2D, tf.tensor2d([], [0, 0]), 4, true),
      [{ ...rows, shape: [3, 9], low: 0, high: 6 }],
      noGradient,
    ],
    [
      "sparseToDense",
      (i, x) => tf.sparseToDense(i, x, [8], -0.5),
      [{ ...rows, low: 0, high: 8 }, { shape: [5] }],
      noGradient,
    ],
    [
      "oneHot of tagged",
      (i) => tf.oneHot(i, 4),
      [{ shape: [3, 2], dtype: "int32", low: -1, high: 5, transposed: [1, 0] }],
      noGradient,
    ],
    [
      "oneHot with values",
      (i) => tf.oneHot(i, 3, 0.9, 0.05, "float32"),
      [{ ...rows, shape: [4] }],
      noGradient,
    ],
  ]);

  it("update rows of a tensor", () => {
    void tf.setBackend("onnxruntime");
    const updated = tf.tensorScatterUpdate(
      tf.zeros([3, 2]),
      [[2], [0]],
      [
        [1, 2],
        [3, 4],
      ],
    );
    expect(updated.arraySync()).toEqual([
      [3, 4],
      [0, 0],
      [1, 2],
    ]);
  });
});

describe("einsum", () => {
  const equations: [string, number[], number[]][] = [
    ["bij,bjk->bik", [2, 3, 5], [2, 5, 4]],
    ["bqhd,bkhd->bhqk", [2, 3, 4, 5], [2, 6, 4, 5]],
    ["bhqk,bkhd->bqhd", [2, 4, 3, 6], [2, 6, 4, 5]],
    ["ij,jk->ki", [3, 4], [4, 5]],
    ["i,j->ij", [3], [4]],
    ["ij,ij->", [3, 4], [3, 4]],
    ["ijk,j->i", [2, 3, 4], [3]],
    ["ij,ij->ij", [3, 4], [3, 4]],
  ];
  check([
    ...equations.map(([equation, a, b]): Case => [
      equation,
      (x, y) => tf.einsum(equation, x, y),
      [{ shape: a }, { shape: b }],
    ]),
    ["ijk->ki", (x) => tf.einsum("ijk->ki", x), [{ shape: [2, 3, 4] }]],
    ["ij->", (x) => tf.einsum("ij->", x), [tagged]],
  ]);
});

describe("gradients that TF.js lacks or has wrong", () => {
  beforeAll(() => tf.setBackend("onnxruntime"));

  const random = new Generator(5);
  const table = (shape: number[]): tf.Tensor =>
    tf.tensor(
      Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.between(-2, 2)),
      shape,
    );
  const other = table([3, 4]);
  const factor = table([4, 2]);
  const cases: [string, number[], (x: tf.Tensor) => tf.Tensor][] = [
    ["maximum, broadcast", [4], (x) => tf.maximum(x, other)],
    ["minimum, broadcast", [3, 1], (x) => tf.minimum(other, x)],
    ["squaredDifference, broadcast", [4], (x) => tf.squaredDifference(other, x)],
    ["cumsum along the first axis", [3, 4], (x) => tf.cumsum(x, 0)],
    ["cumprod", [2, 5], (x) => tf.cumprod(x, 1)],
    ["cumprod, exclusive, reverse", [5, 2], (x) => tf.cumprod(x, 0, true, true)],
    ["cumprod through zero", [2, 5], (x) => tf.cumprod(tf.mul(x, tf.tensor1d([1, 0, 1, 0, 1])), 1)],
    ["prod", [3, 4], (x) => tf.prod(x, 0)],
    ["prod of all", [2, 3], (x) => tf.prod(x)],
    ["einsum", [3, 4], (x) => tf.einsum("ij,jk->ki", x, factor)],
    ["einsum that sums a label of one", [3, 4], (x) => tf.einsum("ij,jk->k", x, factor)],
    ["einsum to a number", [3, 4], (x) => tf.einsum("ij,ij->", x, other)],
    ["einsum of one", [3, 4], (x) => tf.einsum("ij->j", x)],
    ["gather in batches", [2, 3, 2], (x) => tf.gather(x, tf.tensor2d([[0, 0], [2, 1]], [2, 2], "int32"), 1, 1)],
    ["gatherND", [3, 4], (x) => tf.gatherND(x, tf.tensor2d([[0, 1], [0, 1], [2, 3]], [3, 2], "int32"))],
    ["scatterND", [3, 2], (x) => tf.scatterND(tf.tensor2d([[1], [1], [0]], [3, 1], "int32"), x, [4, 2])],
    ["tensorScatterUpdate, tensor", [4, 2], (x) => tf.tensorScatterUpdate(x, tf.tensor2d([[1], [3]], [2, 1], "int32"), tf.ones([2, 2]))],
    ["tensorScatterUpdate, updates", [2, 2], (x) => tf.tensorScatterUpdate(tf.ones([4, 2]), tf.tensor2d([[1], [3]], [2, 1], "int32"), x)],
    ["topk", [3, 5], (x) => tf.topk(x, 2).values],
    ["stridedSlice", [5, 6], (x) => tf.stridedSlice(x, [4, 1], [0, 6], [-2, 2])],
    ["mirrorPad", [3, 4], (x) => tf.mirrorPad(x, [[2, 1], [1, 0]], "reflect")],
    ["depthToSpace", [1, 2, 2, 8], (x) => tf.depthToSpace(x as tf.Tensor4D, 2)],
  ]; // prettier-ignore

  it.each(cases)("%s", (_name, shape, operation) => {
    const values = table(shape);
    const energy = (x: tf.Tensor): tf.Tensor => {
      const result = operation(x);
      const weights = tf.reshape(tf.sin(tf.add(tf.range(0, result.size), 1)), result.shape);
      return tf.sum(tf.mul(result, weights));
    };
    const gradient = tf.grad(energy)(values).dataSync();
    const step = 1e-2;
    const x = values.dataSync();
    for (let i = 0; i < x.length; i++) {
      const at = (by: number): number =>
        energy(
          tf.tensor(
            x.map((value, j) => (i === j ? value + by : value)),
            shape,
          ),
        ).dataSync()[0]!;
      expect(gradient[i]).toBeCloseTo((at(step) - at(-step)) / (2 * step), 1);
    }
    expect(gradient.some((value) => value !== 0)).toBe(true);
  });
});

describe("samples", () => {
  it("are the same for a seed, and follow the probabilities", () => {
    void tf.setBackend("onnxruntime");
    const logits = tf.log(
      tf.tensor2d([
        [0.1, 0.2, 0.7],
        [0.5, 0.5, 1e-9],
      ]),
    );
    const draw = (seed: number): number[] => Array.from(tf.multinomial(logits, 4000, seed).dataSync());
    const first = draw(3);
    expect(draw(3)).toEqual(first);
    expect(draw(4)).not.toEqual(first);
    const share = (row: number, event: number): number =>
      first.slice(row * 4000, (row + 1) * 4000).filter((value) => value === event).length / 4000;
    expect(share(0, 0)).toBeCloseTo(0.1, 1);
    expect(share(0, 2)).toBeCloseTo(0.7, 1);
    expect(share(1, 0)).toBeCloseTo(0.5, 1);
    expect(share(1, 2)).toBe(0);
  });
});

describe("arrays without elements", () => {
  const empty: Argument = { shape: [0, 3] };
  const three: Argument = { shape: [2, 3] };
  const none: Argument = { shape: [0], dtype: "int32" };
  const cases: [string, (...tensors: tf.Tensor[]) => tf.Tensor, Argument[]][] = [
    ["exp", (x) => tf.exp(x), [empty]],
    ["add", (a, b) => tf.add(a, b), [empty, { shape: [3] }]],
    ["concat", (a, b) => tf.concat([a, b], 0), [empty, three]],
    ["sum to numbers", (x) => tf.sum(x, 0), [empty]],
    ["sum to nothing", (x) => tf.sum(x, 1), [empty]],
    ["matMul", (a, b) => tf.matMul(a, b), [{ shape: [2, 0] }, empty]],
    ["matMul without rows", (a, b) => tf.matMul(a, b), [empty, { shape: [3, 2] }]],
    ["transpose", (x) => tf.transpose(x), [empty]],
    ["reshape", (x) => tf.reshape(x, [3, 0]), [empty]],
    ["slice to nothing", (x) => tf.slice(x, [1, 0], [0, 3]), [three]],
    ["split into nothing", (x) => tf.split(x, [0, 2], 0)[1]!, [three]],
    ["gather nothing", (x, i) => tf.gather(x, i), [three, none]],
    ["where", (c, a, b) => tf.where(c, a, b), [{ ...empty, dtype: "bool" }, empty, empty]],
    ["softmax", (x) => tf.softmax(x), [empty]],
    ["scatter nothing", (i, x) => tf.scatterND(tf.reshape(i, [0, 1]), x, [4, 3]), [none, empty]],
    ["conv2d of no pictures", (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"), [{ shape: [0, 4, 4, 1] }, { shape: [3, 3, 1, 2] }]],
  ]; // prettier-ignore
  it.each(cases)("%s", (_name, operation, args) => {
    const run = (backend: string): tf.Tensor => {
      void tf.setBackend(backend);
      return operation(...args.map(({ shape, dtype }) => tf.ones(shape, dtype)));
    };
    const expected = run("cpu");
    const values = Array.from(expected.dataSync());
    engine.resetStats();
    const actual = run("onnxruntime");
    expect(actual.shape).toEqual(expected.shape);
    expect(actual.dtype).toBe(expected.dtype);
    expect(Array.from(actual.dataSync())).toEqual(values);
    expect(engine.stats().fallbackKernels).toEqual({});
    if (actual.size === 0) expect(engine.stats().runs).toBe(0);
  });
});
