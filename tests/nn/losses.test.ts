/** Losses against PyTorch: value and gradient. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import * as nn from "../../src/nn/index.js";
import { expectClose, readGolden, tensorOf, type GoldenTensor } from "./golden.js";

interface LossCase {
  name: "crossEntropy" | "binaryCrossEntropyWithLogits" | "mseLoss" | "l1Loss";
  input: GoldenTensor;
  target: GoldenTensor;
  loss: number;
  grad: GoldenTensor;
  hard?: boolean;
  labelSmoothing?: number;
  weight?: number[] | null;
  posWeight?: number[] | null;
}

function title({ name, hard, labelSmoothing, weight, posWeight, input }: LossCase): string {
  const details = [
    hard === undefined ? "" : hard ? "class indices" : "probabilities",
    labelSmoothing ? `smoothing ${labelSmoothing}` : "",
    weight ? "class weights" : "",
    posWeight ? "positive weights" : "",
    `[${input.shape.join()}] up to ${Math.max(...input.data.map(Math.abs)).toFixed(0)}`,
  ];
  return `${name}: ${details.filter(Boolean).join(", ")}`;
}

const goldens = readGolden<LossCase[]>("losses");

describe("losses as in PyTorch", () => {
  it.each(goldens.map((golden) => [title(golden), golden] as const))("%s", (_title, golden) => {
    const input = new nn.Parameter(tensorOf(golden.input));
    const target = tensorOf(golden.target, golden.hard ? "int32" : "float32");
    const loss = nn.computeGradients(() => {
      if (golden.name === "crossEntropy") {
        const weight = golden.weight ?? undefined;
        const options = { labelSmoothing: golden.labelSmoothing!, ...(weight && { weight }) };
        return nn.crossEntropy(input, target, options);
      }
      if (golden.name === "binaryCrossEntropyWithLogits") {
        const posWeight = golden.posWeight ?? undefined;
        return nn.binaryCrossEntropyWithLogits(input, target, posWeight && { posWeight });
      }
      return nn[golden.name](input, target);
    }, [input]);
    expectClose(loss, { shape: [], data: [golden.loss] });
    expectClose(input.grad!, golden.grad);
  });

  it("takes class weights as a tensor", () => {
    const golden = goldens.find((other) => other.weight != null)!;
    const loss = nn.crossEntropy(tensorOf(golden.input), tensorOf(golden.target, "int32"), {
      weight: tf.tensor1d(golden.weight!),
    });
    expect(loss.dataSync()[0]).toBeCloseTo(golden.loss, 5);
  });

  it("scales its gradient with what comes after it", () => {
    const golden = goldens[0]!;
    const input = new nn.Parameter(tensorOf(golden.input));
    nn.computeGradients(() => tf.mul(nn.crossEntropy(input, tensorOf(golden.target, "int32")), 3), [input]);
    expectClose(input.grad!, { shape: golden.grad.shape, data: golden.grad.data.map((value) => 3 * value) });
  });

  it("sends gradients into soft targets", () => {
    const logits = tf.tensor2d([[1, 2, -1]]);
    const target = new nn.Parameter(tf.tensor2d([[0.2, 0.5, 0.3]]));
    nn.computeGradients(() => nn.crossEntropy(logits, target), [target]);
    const total = Math.log(Math.exp(1) + Math.exp(2) + Math.exp(-1));
    expectClose(target.grad!, { shape: [1, 3], data: [total - 1, total - 2, total + 1] });
  });

  it("gives NaN for a class index that is no class", () => {
    const loss = nn.crossEntropy(tf.zeros([2, 3]), tf.tensor1d([0, 3], "int32"));
    expect(loss.dataSync()[0]).toBeNaN();
  });
});

describe("errors", () => {
  const logits = tf.zeros([2, 3]);
  const target = tf.tensor1d([0, 1], "int32");
  it.each<[string, () => unknown, string]>([
    ["target's length", () => nn.crossEntropy(logits, tf.zeros([3], "int32")), "ERR_SHAPE"],
    ["float class indices", () => nn.crossEntropy(logits, tf.zeros([2])), "ERR_SHAPE"],
    ["number of weights", () => nn.crossEntropy(logits, target, { weight: [1, 2] }), "ERR_CLASS_WEIGHTS"],
    ["smoothing", () => nn.crossEntropy(logits, target, { labelSmoothing: 2 }), "ERR_LABEL_SMOOTHING"],
    ["shapes of mseLoss", () => nn.mseLoss(logits, tf.zeros([3])), "ERR_SHAPE"],
    ["shapes of l1Loss", () => nn.l1Loss(logits, tf.zeros([2, 1])), "ERR_SHAPE"],
    ["shapes of binary", () => nn.binaryCrossEntropyWithLogits(logits, target), "ERR_SHAPE"],
  ])("%s", (_name, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }) as Error);
  });
});
