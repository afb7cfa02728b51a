/** Every layer against PyTorch: output, gradients of input and parameters, buffers after the pass. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import * as nn from "../../src/nn/index.js";
import { Generator, seedEverything } from "../../src/random.js";
import { expectClose, readGolden, tensorOf, type GoldenTensor } from "./golden.js";

interface LayerCase {
  name: string;
  training: boolean;
  state: Record<string, GoldenTensor>;
  stateAfter: Record<string, GoldenTensor>;
  input: GoldenTensor;
  output: GoldenTensor;
  cotangent: GoldenTensor;
  inputGrad: GoldenTensor;
  grads: Record<string, GoldenTensor>;
}

class Scale extends nn.Module {
  forward(input: tf.Tensor): tf.Tensor {
    return tf.mul(input, 4);
  }
}

const scaled = (activation: nn.Module): nn.Module => new nn.Sequential(new Scale(), activation);

const makers: Record<string, () => nn.Module> = {
  linear: () => new nn.Linear(5, 3),
  "linear of a sequence": () => new nn.Linear(5, 3, { bias: false }),
  "conv 1x1": () => new nn.Conv2d(3, 4, 1, { bias: false }),
  "conv 3x3 padded": () => new nn.Conv2d(3, 4, 3, { padding: 1 }),
  "conv strided, even size": () => new nn.Conv2d(3, 4, 3, { stride: 2, padding: 1 }),
  "conv oblong": () => new nn.Conv2d(2, 3, [3, 5], { stride: [2, 1], padding: [0, 2] }),
  "conv same": () => new nn.Conv2d(2, 3, [4, 3], { padding: "same" }),
  "conv dilated": () => new nn.Conv2d(2, 3, 3, { padding: 2, dilation: 2 }),
  "conv dilated and strided": () => new nn.Conv2d(2, 3, 3, { padding: 2, dilation: 2, stride: 2 }),
  "conv depthwise": () => new nn.Conv2d(4, 4, 3, { stride: 2, padding: 1, groups: 4, bias: false }),
  "conv depthwise with multiplier": () => new nn.Conv2d(3, 6, 3, { padding: 1, groups: 3 }),
  "conv depthwise dilated": () => new nn.Conv2d(3, 3, 3, { padding: 2, dilation: 2, groups: 3 }),
  "conv grouped": () => new nn.Conv2d(4, 6, 3, { padding: 1, groups: 2 }),
  "batch norm": () => new nn.BatchNorm2d(4),
  "batch norm in evaluation": () => new nn.BatchNorm2d(3, { eps: 1e-3 }),
  "max pool": () => new nn.MaxPool2d(2),
  "max pool padded": () => new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
  "max pool oblong": () => new nn.MaxPool2d([3, 2], { stride: [2, 1], padding: [1, 0] }),
  "average pool": () => new nn.AvgPool2d(2),
  "average pool padded": () => new nn.AvgPool2d(3, { stride: 2, padding: 1 }),
  "global average pool": () => new nn.GlobalAvgPool2d(),
  flatten: () => new nn.Flatten(),
  relu: () => scaled(new nn.Relu()),
  relu6: () => scaled(new nn.Relu6()),
  leakyRelu: () => scaled(new nn.LeakyRelu(0.2)),
  gelu: () => scaled(new nn.Gelu()),
  silu: () => scaled(new nn.Silu()),
  hardswish: () => scaled(new nn.Hardswish()),
  sigmoid: () => scaled(new nn.Sigmoid()),
  tanh: () => scaled(new nn.Tanh()),
  softmax: () => scaled(new nn.Softmax()),
};

const cases = readGolden<LayerCase[]>("layers");

describe("layers as in PyTorch", () => {
  it("covers every golden case", () => {
    expect(cases.map((golden) => golden.name).sort()).toEqual(Object.keys(makers).sort());
  });

  it.each(cases.map((golden) => [golden.name, golden] as const))("%s", (name, golden) => {
    engine.resetStats();
    const module = makers[name]!().train(golden.training);
    module.loadStateDict(
      Object.fromEntries(Object.entries(golden.state).map(([key, value]) => [key, tensorOf(value)])),
    );
    const input = new nn.Parameter(tensorOf(golden.input));
    const cotangent = tensorOf(golden.cotangent);
    let output: tf.Tensor | undefined;
    nn.computeGradients(() => {
      output = tf.keep(module.forward(input));
      return tf.sum(tf.mul(output, cotangent));
    }, [...module.parameters(), input]);

    expectClose(output!, golden.output);
    expectClose(input.grad!, golden.inputGrad);
    const parameters = Object.fromEntries(module.namedParameters());
    expect(Object.keys(parameters)).toEqual(Object.keys(golden.grads));
    for (const [key, grad] of Object.entries(golden.grads)) expectClose(parameters[key]!.grad!, grad);
    const state = module.stateDict();
    expect(Object.keys(state)).toEqual(Object.keys(golden.stateAfter));
    for (const [key, value] of Object.entries(golden.stateAfter)) expectClose(state[key]!, value);
    expect(engine.stats().fallbackKernels).toEqual({});
  });
});

describe("dropout", () => {
  it("zeroes the share p, scales the rest by 1 / (1 - p), and sends gradients through the same mask", () => {
    seedEverything(5);
    const layer = new nn.Dropout(0.3);
    const input = new nn.Parameter(tf.ones([100, 100]));
    let output: tf.Tensor | undefined;
    nn.computeGradients(() => {
      output = tf.keep(layer.forward(input));
      return tf.sum(output);
    }, [input]);
    const values = output!.dataSync();
    const kept = values.filter((value) => value !== 0);
    expect(kept.length / values.length).toBeGreaterThan(0.68);
    expect(kept.length / values.length).toBeLessThan(0.72);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.7)]));
    expect(input.grad!.dataSync()).toEqual(values);
  });

  it("draws a new mask each time and the same ones from the same seed", () => {
    const input = tf.ones([64]);
    const draw = (seed: number): number[][] => {
      const generator = new Generator(seed);
      return [1, 2].map(() => Array.from(nn.dropout(input, 0.5, generator).dataSync()));
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)[0]).not.toEqual(draw(1)[1]);
    expect(draw(1)).not.toEqual(draw(2));
  });

  it("does nothing in evaluation and drops all at p = 1", () => {
    const input = tf.ones([8]);
    expect(new nn.Dropout(0.9).eval().forward(input)).toBe(input);
    expect(Array.from(new nn.Dropout(1).forward(input).dataSync())).toEqual(new Array(8).fill(0));
  });
});

describe("errors", () => {
  it.each<[string, () => unknown, string]>([
    ["channels of a convolution", () => new nn.Conv2d(3, 4, 1).forward(tf.zeros([1, 3, 8, 8])), "ERR_SHAPE"],
    ["rank of a picture", () => new nn.MaxPool2d(2).forward(tf.zeros([8, 8, 3])), "ERR_SHAPE"],
    ["features of a linear layer", () => new nn.Linear(3, 2).forward(tf.zeros([2, 4])), "ERR_SHAPE"],
    ["channels of batch norm", () => new nn.BatchNorm2d(3).forward(tf.zeros([1, 2, 2, 4])), "ERR_SHAPE"],
    [
      "one value a channel",
      () => new nn.BatchNorm2d(3).forward(tf.zeros([1, 1, 1, 3])),
      "ERR_BATCH_TOO_SMALL",
    ],
    ["groups", () => new nn.Conv2d(3, 4, 1, { groups: 2 }), "ERR_GROUPS"],
    ["same with a stride", () => new nn.Conv2d(3, 4, 3, { padding: "same", stride: 2 }), "ERR_PADDING"],
    ["probability of dropout", () => new nn.Dropout(1.5), "ERR_DROPOUT"],
  ])("%s", (_name, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }) as Error);
  });
});
