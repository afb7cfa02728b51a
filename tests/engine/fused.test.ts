/** Fused operators: the engine's kernels against their composition on TF.js's cpu backend, and against finite differences. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it } from "vitest";
import { engine, markStep } from "../../src/engine/index.js";
import { projections } from "../../src/nn/functional/linear.js";
import * as nn from "../../src/nn/index.js";
import { Generator, seedEverything } from "../../src/random.js";
import { compareBackends, type Argument, type Operation } from "../support/compare_backends.js";

afterEach(() => tf.setBackend("onnxruntime"));

const tensor2d = (x: tf.Tensor): tf.Tensor2D => x as tf.Tensor2D;

type Case = [name: string, operation: Operation, args: Argument[]];

const tagged: Argument = { shape: [2, 4, 3, 5], transposed: [0, 2, 3, 1] };
const labels: Argument = { shape: [2, 3], dtype: "int32", low: 0, high: 5 };

const cases: Case[] = [
  [
    "layer norm",
    (x, g, b) => nn.layerNorm(x, [5], { weight: g, bias: b }),
    [{ shape: [2, 3, 5] }, { shape: [5] }, { shape: [5] }],
  ],
  [
    "layer norm of a row-less vector",
    (x, g, b) => nn.layerNorm(x, [7], { weight: g, bias: b, eps: 0.1 }),
    [{ shape: [7] }, { shape: [7] }, { shape: [7] }],
  ],
  [
    "layer norm of transposed memory",
    (x, g, b) => nn.layerNorm(x, [5, 4], { weight: g, bias: b }),
    [tagged, { shape: [5, 4] }, { shape: [5, 4] }],
  ],
  [
    "layer norm of values far from zero",
    (x, g, b) => nn.layerNorm(x, [64], { weight: g, bias: b }),
    [{ shape: [3, 64], low: 20, high: 22 }, { shape: [64] }, { shape: [64] }],
  ],
  [
    "group norm",
    (x, g, b) => nn.groupNorm(x, 2, { weight: g, bias: b }),
    [{ shape: [3, 4, 5, 6] }, { shape: [6] }, { shape: [6] }],
  ],
  [
    "group norm of transposed memory",
    (x, g, b) => nn.groupNorm(x, 4, { weight: g, bias: b }),
    [tagged, { shape: [4] }, { shape: [4] }],
  ],
  ["gelu", (x) => nn.gelu(x), [{ shape: [3, 40], low: -9, high: 9 }]],
  ["gelu of transposed memory", (x) => nn.gelu(x), [tagged]],
  ["gelu with tanh", (x) => nn.gelu(x, { approximate: "tanh" }), [{ shape: [3, 40], low: -9, high: 9 }]],
  ["silu", (x) => nn.silu(x), [{ shape: [3, 40], low: -9, high: 9 }]],
  ["silu of transposed memory", (x) => nn.silu(x), [tagged]],
  ["linear", (x, w, b) => nn.linear(x, w, b), [{ shape: [2, 3, 4] }, { shape: [5, 4] }, { shape: [5] }]],
  [
    "linear of a vector",
    (x, w, b) => nn.linear(x, w, b),
    [{ shape: [4] }, { shape: [3, 4] }, { shape: [3] }],
  ],
  [
    "linear of transposed memory, without bias",
    (x, w) => nn.linear(x, w),
    [tagged, { shape: [6, 4], transposed: [0, 1] }],
  ],
  [
    "projections",
    (x, a, b, c, p, q, r) => tf.concat(projections(x, [a, b, c], [p, q, r]), -1),
    [
      { shape: [2, 3, 4] },
      ...[4, 4, 2].map((out) => ({ shape: [out, 4] })),
      ...[4, 4, 2].map((out) => ({ shape: [out] })),
    ],
  ],
  [
    "embedding",
    (w, i) => nn.embedding(i, tensor2d(w)),
    [{ shape: [5, 3] }, { shape: [2, 4, 2], dtype: "int32", low: 0, high: 5 }],
  ],
  ["cross-entropy of labels", (x, t) => nn.softmaxCrossEntropy(x, t), [{ shape: [2, 3, 5] }, labels]],
  [
    "cross-entropy of large logits",
    (x, t) => nn.softmaxCrossEntropy(x, t),
    [{ shape: [2, 3, 5], low: -500, high: 500 }, labels],
  ],
  [
    "cross-entropy of shares",
    (x, t) => nn.softmaxCrossEntropy(x, t),
    [{ shape: [4, 5] }, { shape: [4, 5], low: 0, high: 1 }],
  ],
  [
    "attention",
    (q, k, v) => nn.scaledDotProductAttention(q, k, v),
    [{ shape: [2, 3, 4, 6] }, { shape: [2, 3, 5, 6] }, { shape: [2, 3, 5, 2] }],
  ],
  [
    "attention of plain matrices, causal",
    (q, k, v) => nn.scaledDotProductAttention(q, k, v, { isCausal: true, scale: 2 }),
    [{ shape: [4, 6] }, { shape: [4, 6] }, { shape: [4, 3] }],
  ],
  [
    "attention of transposed memory with a mask that broadcasts",
    (q, k, v, m) => nn.scaledDotProductAttention(q, k, v, { attnMask: m }),
    [
      { shape: [2, 4, 3, 6], transposed: [0, 2, 1, 3] },
      { shape: [2, 5, 3, 6], transposed: [0, 2, 1, 3] },
      { shape: [2, 5, 3, 6], transposed: [0, 2, 1, 3] },
      { shape: [2, 1, 1, 5] },
    ],
  ],
];

/** Its gradient is not the derivative. */
const padded: Case = [
  "embedding with padding",
  (w, i) => nn.embedding(i, tensor2d(w), { paddingIdx: 2 }),
  [{ shape: [5, 3] }, { shape: [2, 4, 2], dtype: "int32", low: 0, high: 5 }],
];

describe("fused operators", () => {
  it.each([...cases, padded])("%s as on the cpu backend, without a fallback", (_name, operation, args) => {
    const comparison = compareBackends(operation, args, true);
    expect(comparison.outputDifference).toBeLessThan(1e-5);
    for (const difference of comparison.gradientDifferences) expect(difference).toBeLessThan(2e-5);
    expect(comparison.fallbackKernels).toEqual({});
  });

  it.each(cases)("%s: gradients as finite differences", async (_name, operation, args) => {
    await tf.setBackend("onnxruntime");
    const random = new Generator(3);
    const tensors = args.map(({ shape, dtype, low = -2, high = 2 }) => {
      const values = tf.util.sizeFromShape(shape);
      const draw = () => (dtype === "int32" ? low + random.integer(high - low) : random.between(low, high));
      return tf.tensor(Array.from({ length: values }, draw), shape, dtype ?? "float32");
    });
    const at = args.flatMap((argument, i) => (argument.dtype === "int32" ? [] : [i]));
    const ordered = (given: readonly tf.Tensor[]) =>
      tensors.map((tensor, i) => {
        const current = given[at.indexOf(i)] ?? tensor;
        const { transposed } = args[i]!;
        return transposed === undefined ? current : tf.transpose(current, transposed);
      });
    const weights = operation(...ordered([])).shape;
    const size = tf.util.sizeFromShape(weights);
    const cosines = tf.tensor(
      Array.from({ length: size }, (_, i) => Math.cos(i)),
      weights,
    );
    const scalarOf = (...given: tf.Tensor[]) => tf.sum(tf.mul(operation(...ordered(given)), cosines));
    const floats = at.map((i) => tensors[i]!);
    const gradients = tf.grads(scalarOf)(floats);
    // Along one random direction for each argument, in steps small enough for the curvature and large enough for float32.
    floats.forEach((tensor, position) => {
      const direction = tf.tensor(
        Array.from({ length: tensor.size }, () => random.between(-1, 1)),
        tensor.shape,
      );
      const step = 1e-2;
      const moved = (sign: number) =>
        scalarOf(
          ...floats.map((other, i) =>
            i === position ? tf.add(other, tf.mul(direction, sign * step)) : other,
          ),
        ).dataSync()[0]!;
      const expected = (moved(1) - moved(-1)) / (2 * step);
      const actual = tf.sum(tf.mul(gradients[position]!, direction)).dataSync()[0]!;
      expect(Math.abs(actual - expected)).toBeLessThan(0.03 * Math.max(1, Math.abs(expected)));
    });
  });

  it.each<[string, () => tf.Tensor, number[]]>([
    ["layer norm", () => nn.layerNorm(tf.zeros([0, 4]), [4]), [0, 4]],
    ["group norm", () => nn.groupNorm(tf.zeros([0, 3, 4]), 2), [0, 3, 4]],
    ["gelu", () => nn.gelu(tf.zeros([0, 2])), [0, 2]],
    ["silu", () => nn.silu(tf.zeros([3, 0])), [3, 0]],
    ["linear", () => nn.linear(tf.zeros([0, 4]), tf.ones([2, 4]), tf.ones([2])), [0, 2]],
    ["embedding", () => nn.embedding(tf.zeros([0, 2], "int32"), tf.ones([3, 4])), [0, 2, 4]],
    ["dropout", () => nn.dropout(tf.zeros([0, 2]), 0.5), [0, 2]],
    [
      "attention",
      () => nn.scaledDotProductAttention(tf.zeros([0, 2, 3]), tf.zeros([0, 2, 3]), tf.zeros([0, 2, 3])),
      [0, 2, 3],
    ],
    ["cross-entropy", () => nn.softmaxCrossEntropy(tf.zeros([0, 3]), tf.zeros([0], "int32")), [0]],
  ])("%s of nothing is nothing", (_name, compute, shape) => {
    const result = compute();
    expect(result.shape).toEqual(shape);
    expect(result.dataSync()).toHaveLength(0);
  });

  it("gives the same gradients if everything is read between the passes", () => {
    const input = new nn.Parameter(
      tf.tensor2d([
        [0.3, -1, 2, 0.5],
        [1, 1.5, -0.7, 0.1],
      ]),
    );
    const model = (stop: boolean): tf.Tensor => {
      const read = (x: tf.Tensor) => {
        if (stop) x.dataSync();
        return x;
      };
      const normal = read(nn.layerNorm(input, [4]));
      const active = read(nn.silu(read(nn.gelu(normal))));
      const attended = read(nn.scaledDotProductAttention(active, normal, active));
      return tf.sum(read(nn.softmaxCrossEntropy(attended, tf.tensor1d([1, 3], "int32"))));
    };
    const gradient = (stop: boolean): number[] => {
      input.zeroGrad();
      nn.computeGradients(() => model(stop), [input]);
      return Array.from(input.grad!.dataSync());
    };
    const whole = gradient(false);
    gradient(true).forEach((value, i) => expect(value).toBeCloseTo(whole[i]!, 5));
  });

  it("compiles one graph for steps that differ in their random masks, and leaves no tensor behind", () => {
    const layer = new nn.TransformerEncoderLayer(8, 2, {
      dimFeedforward: 16,
      dropout: 0.2,
      batchFirst: true,
    });
    const input = tf.ones([2, 5, 8]);
    const step = (): number => {
      const loss = tf.tidy(() =>
        tf.keep(nn.computeGradients(() => tf.mean(tf.square(layer.forward(input))), layer.parameters())),
      );
      markStep();
      for (const parameter of layer.parameters()) parameter.zeroGrad();
      const value = loss.dataSync()[0]!;
      loss.dispose();
      return value;
    };
    const first = step();
    const tensors = tf.memory().numTensors;
    engine.resetStats();
    const losses = [first, step(), step()];
    expect(new Set(losses).size).toBe(3);
    expect(engine.stats()).toMatchObject({ compiles: 0, fallbackKernels: {} });
    expect(tf.memory().numTensors).toBe(tensors);
  });
});

describe("dropout's masks", () => {
  const draw = (shape: number[], p: number, seed = 1): Float32Array =>
    nn.dropout(tf.ones(shape), p, new Generator(seed)).dataSync<"float32">();
  /** Of the mean of as many independent choices as the array holds. */
  const deviation = (p: number, count: number): number => Math.sqrt((p * (1 - p)) / count);

  it.each([0.0005, 0.003, 0.1, 0.25, 0.5, 0.9, 0.9993])(
    "drop the share %f, which is no whole number of bytes",
    (p) => {
      const values = draw([3000, 300], p);
      const dropped = values.filter((value) => value === 0).length / values.length;
      expect(Math.abs(dropped - p)).toBeLessThan(5 * deviation(p, values.length) + 2 ** -17);
      expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / (1 - p))]));
    },
  );

  it("are the same on every backend", async () => {
    const ours = [0.001, 0.37].map((p) => draw([40, 7, 9], p));
    await tf.setBackend("cpu");
    expect([0.001, 0.37].map((p) => draw([40, 7, 9], p))).toEqual(ours);
  });

  it("do not depend on their neighbours, their rows or the call before", () => {
    const [rows, width, p] = [1000, 400, 0.3];
    const shape = [rows, width];
    const generator = new Generator(8);
    const [first, second] = [1, 2].map(() =>
      nn
        .dropout(tf.ones(shape), p, generator)
        .dataSync<"float32">()
        .map((value) => (value === 0 ? 1 : 0)),
    ) as [Float32Array, Float32Array];
    const pairs: [string, (i: number) => number | undefined][] = [
      ["the next column", (i) => first[i + 1]],
      ["the next row", (i) => first[i + width]],
      ["the second row from here", (i) => first[i + 2 * width]],
      ["the next mask", (i) => second[i]],
    ];
    const limit = 5 * deviation(p * p, rows * width);
    const shares = pairs.map(([, other]) => {
      const both = first.reduce((count, value, i) => count + value * (other(i) ?? 0), 0);
      return both / first.length;
    });
    // Neighbours beyond the edge count as kept: at most two rows of a thousand.
    shares.forEach((share) => expect(Math.abs(share - p * p)).toBeLessThan(limit + (2 / rows) * p * p));
  });

  it("reach attention", () => {
    const values = tf.reshape(tf.eye(64), [1, 64, 64]);
    const zeros = tf.zeros([1, 64, 64]);
    const probabilities = nn.scaledDotProductAttention(zeros, zeros, values, { dropoutP: 0.25 }).dataSync();
    const kept = Array.from(probabilities.filter((value) => value !== 0));
    expect(Math.abs(kept.length / 4096 - 0.75)).toBeLessThan(5 * deviation(0.25, 4096));
    for (const value of kept) expect(value).toBeCloseTo(1 / 64 / 0.75, 6);
  });

  it("send gradients through attention as the composition does", async () => {
    const gradient = async (backend: string): Promise<number[][]> => {
      await tf.setBackend(backend);
      const inputs = [0, 1, 2].map(
        (i) =>
          new nn.Parameter(
            tf.tensor(
              Array.from({ length: 60 }, (_, j) => Math.sin(j * (i + 1))),
              [2, 5, 6],
            ),
          ),
      );
      seedEverything(4);
      nn.computeGradients(() => {
        const output = nn.scaledDotProductAttention(inputs[0]!, inputs[1]!, inputs[2]!, { dropoutP: 0.4 });
        return tf.sum(tf.mul(output, tf.sin(output)));
      }, inputs);
      return inputs.map((input) => Array.from(input.grad!.dataSync()));
    };
    const [ours, theirs] = [await gradient("onnxruntime"), await gradient("cpu")];
    ours.forEach((grad, i) => grad.forEach((value, j) => expect(value).toBeCloseTo(theirs[i]![j]!, 5)));
  });
});
