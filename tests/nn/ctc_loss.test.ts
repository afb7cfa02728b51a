/** CTC loss against PyTorch, against the sum over all alignments, and against finite differences. */
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engine, markStep } from "../../src/engine/index.js";
import * as nn from "../../src/nn/index.js";
import { Generator } from "../../src/random.js";
import { expectClose, readGolden, tensorOf, type GoldenTensor } from "./golden.js";

interface CtcCase {
  name: string;
  logits: GoldenTensor;
  targets: GoldenTensor;
  inputLengths: number[];
  targetLengths: number[];
  options: nn.CtcLossOptions;
  losses: GoldenTensor;
  grad: GoldenTensor;
}

const goldens = readGolden<CtcCase[]>("ctc");

/** Logits are drawn here as `make_ctc.py` draws them. */
interface RandomCase {
  seed: number;
  shape: [frames: number, batch: number, classes: number];
  scale: number;
  targets: number[][];
  inputLengths: number[];
  targetLengths: number[];
  zeroInfinity: boolean;
  /** Null for infinite ones. */
  losses: (number | null)[];
  /** Of all gradients. */
  largest: number;
  /** Which gradients there are: one of so many. */
  every: number;
  grad: number[];
}

const randomCases = readGolden<RandomCase[]>("ctc_random");

describe("ctcLoss as in PyTorch", () => {
  it.each(goldens.map((golden) => [golden.name, golden] as const))("%s", (_name, golden) => {
    const { targets, inputLengths, targetLengths, options } = golden;
    const logits = new nn.Parameter(tensorOf(golden.logits));
    let losses: tf.Tensor | undefined;
    engine.resetStats();
    nn.computeGradients(() => {
      const labels = tensorOf(targets, "int32");
      losses = tf.keep(nn.ctcLoss(tf.logSoftmax(logits), labels, inputLengths, targetLengths, options));
      return tf.sum(tf.mul(losses, tf.cos(tf.reshape(tf.range(0, losses.size), losses.shape))));
    }, [logits]);
    expectClose(losses!, golden.losses, 1e-5);
    expectCloseToLargest(logits.grad!, golden.grad, 1e-4);
    expect(engine.stats().fallbackKernels).toEqual({});
  });
});

describe("ctcLoss on random cases, as in PyTorch's float64", () => {
  const named = randomCases.map((one) => [`${one.shape.join(" x ")}, seed ${one.seed}`, one] as const);

  it("has empty targets, impossible ones and long sequences among them", () => {
    const lengths = randomCases.flatMap(({ targetLengths }) => targetLengths);
    expect(lengths).toContain(0);
    expect(randomCases.flatMap(({ losses }) => losses)).toContain(null);
    expect(Math.max(...randomCases.map(({ shape: [frames] }) => frames))).toBe(2000);
  });

  it.each(named)("%s", (_name, one) => {
    const { targets, inputLengths, targetLengths, zeroInfinity } = one;
    const logits = new nn.Parameter(tf.tensor3d(drawLogits(one), one.shape));
    const labels = tf.tensor2d(targets, undefined, "int32");
    const options = { reduction: "none", zeroInfinity } as const;
    let losses: number[] = [];
    nn.computeGradients(() => {
      const result = nn.ctcLoss(tf.logSoftmax(logits), labels, inputLengths, targetLengths, options);
      losses = [...result.dataSync()];
      return tf.sum(result);
    }, [logits]);
    one.losses.forEach((expected, i) => {
      if (expected === null) expect(losses[i]).toBe(Infinity);
      else expect(Math.abs(losses[i]! - expected)).toBeLessThan(1e-4 * Math.max(1, expected));
    });
    if (one.losses.includes(null)) return;
    const gradient = logits.grad!.dataSync();
    const differences = one.grad.map((expected, i) => Math.abs(gradient[i * one.every]! - expected));
    expect(Math.max(...differences)).toBeLessThanOrEqual(1e-4 * one.largest);
  });
});

/** Numerical Recipes' generator. */
function drawLogits({ seed, shape, scale }: RandomCase): Float32Array {
  let state = seed;
  return Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (scale * (((state >>> 8) % 2001) - 1000)) / 1000;
  });
}

describe("ctcLoss on TF.js's cpu backend", () => {
  beforeAll(() => void tf.setBackend("cpu"));
  afterAll(() => void tf.setBackend("onnxruntime"));

  it("gives PyTorch's loss and gradient", () => {
    const golden = goldens.find(({ name }) => name === "reduction mean")!;
    const { targets, inputLengths, targetLengths, options } = golden;
    const logits = new nn.Parameter(tensorOf(golden.logits));
    const loss = nn.computeGradients(() => {
      const logProbs = tf.logSoftmax(logits);
      return nn.ctcLoss(logProbs, tensorOf(targets, "int32"), inputLengths, targetLengths, options);
    }, [logits]);
    expectClose(loss, golden.losses);
    expectCloseToLargest(logits.grad!, golden.grad, 1e-4);
  });
});

describe("ctcLoss by definition", () => {
  it("sums the probabilities of all alignments", () => {
    const [frames, classes] = [5, 3];
    const probabilities = randomProbabilities(frames, classes);
    const total = sumOfAlignments(probabilities, "121");
    expect(total).toBeGreaterThan(0);
    const loss = nn.ctcLoss(logOf(probabilities), tf.tensor2d([[1, 2, 1]], undefined, "int32"), [5], [3], {
      reduction: "sum",
    });
    expect(loss.dataSync()[0]).toBeCloseTo(-Math.log(total), 5);
  });

  it("has the gradient of finite differences, also where the inputs are not normalised", () => {
    const probabilities = randomProbabilities(4, 3).map((row) => row.map((p) => 0.7 * p));
    const logProbs = new nn.Parameter(logOf(probabilities));
    const target = tf.tensor2d([[1, 1]], undefined, "int32");
    nn.computeGradients(() => nn.ctcLoss(logProbs, target, [4], [2], { reduction: "sum" }), [logProbs]);
    const gradient = logProbs.grad!.dataSync();
    const step = 1e-5;
    probabilities.forEach((row, t) =>
      row.forEach((p, c) => {
        const at = (factor: number): number => {
          const moved = probabilities.map((other) => [...other]);
          moved[t]![c] = p * Math.exp(factor * step);
          return -Math.log(sumOfAlignments(moved, "11"));
        };
        expect(gradient[t * 3 + c]).toBeCloseTo((at(1) - at(-1)) / (2 * step), 4);
      }),
    );
  });
});

describe("ctcLoss at its edges", () => {
  const logProbs = tf.logSoftmax(tf.cos(tf.reshape(tf.range(0, 24), [4, 2, 3])));
  const targets = tf.tensor2d([1, 1, 1, 1, 2, 1], [2, 3], "int32");
  const lossesOf = (
    inputLengths: number[],
    targetLengths: number[],
    labels: tf.Tensor = targets,
  ): number[] => [
    ...nn.ctcLoss(logProbs, labels, inputLengths, targetLengths, { reduction: "none" }).dataSync(),
  ];

  it("is infinite with a gradient of NaN where there are too few frames, for that sample only", () => {
    const leaf = new nn.Parameter(logProbs);
    const loss = nn.computeGradients(
      () => nn.ctcLoss(leaf, targets, [4, 4], [3, 3], { reduction: "sum" }),
      [leaf],
    );
    expect(loss.dataSync()[0]).toBe(Infinity);
    const [first, second] = tf.unstack(leaf.grad!, 1);
    expect([...first!.dataSync()].some(Number.isNaN)).toBe(true);
    expect([...second!.dataSync()].every(Number.isFinite)).toBe(true);
  });

  it("takes no frames for an empty target only", () => {
    const [empty, other] = lossesOf([0, 0], [0, 1]);
    expect(empty).toBeCloseTo(0, 10);
    expect(other).toBe(Infinity);
  });

  it("takes targets that are all empty", () => {
    const blanks = logProbs.arraySync() as number[][][];
    const expected = -blanks.reduce((sum, frame) => sum + frame[0]![0]!, 0);
    expect(lossesOf([4, 4], [0, 0], tf.zeros([2, 0], "int32"))[0]).toBeCloseTo(expected, 5);
  });

  it("is infinite where a needed class has probability 0", () => {
    const none = tf.tensor3d([0, -Infinity, 0, -Infinity], [2, 1, 2]);
    const target = tf.tensor2d([[1]], undefined, "int32");
    expect(nn.ctcLoss(none, target, [2], [1]).dataSync()[0]).toBe(Infinity);
  });

  it("is NaN for a label that is no class and for lengths beyond the arrays, for that sample only", () => {
    const labels = tf.tensor2d([1, 3, 0, 1, 2, 1], [2, 3], "int32");
    const [wrong, right] = lossesOf([4, 4], [2, 3], labels);
    expect(wrong).toBeNaN();
    expect(right).toBeGreaterThan(0);
    expect(lossesOf([5, 4], [1, 3])[0]).toBeNaN();
    expect(lossesOf([4, 4], [4, 3])[0]).toBeNaN();
  });

  it("ignores labels behind the end of a target", () => {
    const padded = tf.tensor2d([1, -1, 99, 1, 2, 1], [2, 3], "int32");
    expect(lossesOf([4, 4], [1, 3], padded)).toEqual(lossesOf([4, 4], [1, 3]));
  });

  it("compiles once for all targets and lengths of one shape", () => {
    const step = (lengths: [number[], number[]], labels: number[]): void => {
      const leaf = new nn.Parameter(logProbs);
      const [inputs, outputs] = lengths.map((values) => tf.tensor1d(values, "int32"));
      nn.computeGradients(
        () => nn.ctcLoss(leaf, tf.tensor2d(labels, [2, 3], "int32"), inputs!, outputs!),
        [leaf],
      );
      markStep();
    };
    logProbs.dataSync();
    step(
      [
        [4, 4],
        [3, 1],
      ],
      [1, 2, 1, 2, 0, 0],
    );
    engine.resetStats();
    step(
      [
        [3, 4],
        [1, 2],
      ],
      [2, 0, 0, 1, 1, 0],
    );
    expect(engine.stats()).toMatchObject({ compiles: 0, runs: 1 });
  });

  it.each<[string, () => unknown, string]>([
    ["rank of logProbs", () => nn.ctcLoss(tf.zeros([4, 3]), targets, [4, 4], [3, 3]), "ERR_SHAPE"],
    ["targets in one row", () => nn.ctcLoss(logProbs, tf.zeros([6], "int32"), [4, 4], [3, 3]), "ERR_SHAPE"],
    ["float targets", () => nn.ctcLoss(logProbs, tf.zeros([2, 3]), [4, 4], [3, 3]), "ERR_SHAPE"],
    ["number of lengths", () => nn.ctcLoss(logProbs, targets, [4], [3, 3]), "ERR_SHAPE"],
    ["float lengths", () => nn.ctcLoss(logProbs, targets, tf.tensor1d([4, 4]), [3, 3]), "ERR_SHAPE"],
    ["blank", () => nn.ctcLoss(logProbs, targets, [4, 4], [3, 3], { blank: 3 }), "ERR_CTC_BLANK"],
  ])("refuses wrong input: %s", (_name, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }) as Error);
  });
});

/** The definition: over all ways to choose a class for each frame, those that read as the target. Blank is class 0. */
function sumOfAlignments(probabilities: readonly number[][], target: string): number {
  const classes = probabilities[0]!.length;
  let total = 0;
  for (let path = 0; path < classes ** probabilities.length; path++) {
    const choice = probabilities.map((_, t) => Math.floor(path / classes ** t) % classes);
    const read = choice.filter((label, t) => label !== 0 && label !== choice[t - 1]).join("");
    if (read === target)
      total += choice.reduce((product, label, t) => product * probabilities[t]![label]!, 1);
  }
  return total;
}

function randomProbabilities(frames: number, classes: number): number[][] {
  const random = new Generator(3);
  return Array.from({ length: frames }, () => {
    const row = Array.from({ length: classes }, () => random.between(0.1, 1));
    const sum = row.reduce((a, b) => a + b);
    return row.map((value) => value / sum);
  });
}

/** [frames, 1, classes] */
function logOf(probabilities: readonly number[][]): tf.Tensor {
  return tf.tensor3d(probabilities.flat().map(Math.log), [probabilities.length, 1, probabilities[0]!.length]);
}

/** The largest difference relative to the largest magnitude. */
function expectCloseToLargest(actual: tf.Tensor, expected: GoldenTensor, tolerance: number): void {
  const largest = Math.max(...expected.data.map(Math.abs));
  const scaled = { shape: expected.shape, data: expected.data.map((value) => value / largest) };
  expectClose(tf.div(actual, largest), scaled, tolerance);
}
