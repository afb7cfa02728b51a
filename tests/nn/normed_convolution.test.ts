import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  BatchNorm2d,
  computeGradients,
  Conv2d,
  Module,
  Relu,
  Relu6,
  Sequential,
  Silu,
} from "../../src/nn/index.js";
import { observeForward } from "../../src/nn/observe_forward.js";
import { seedEverything } from "../../src/random.js";
import "../support/backend.js";

/** How many kernels a function calls. */
async function callsOf(f: () => tf.Tensor): Promise<number> {
  const { kernels } = await tf.profile(() => f());
  return kernels.length;
}

function withStatistics(channels: number): BatchNorm2d {
  const norm = new BatchNorm2d(channels);
  norm.runningMean.assign(tf.randomNormal([channels], 0, 1, "float32", 1));
  norm.runningVar.assign(tf.randomUniform([channels], 0.5, 2, "float32", 2));
  return norm;
}

const x = tf.keep(tf.randomNormal<tf.Rank.R4>([2, 9, 9, 16], 0, 2, "float32", 3));

describe("a convolution, a batch norm and an activation in a Sequential", () => {
  const activations: [string, Module | undefined, (x: tf.Tensor) => tf.Tensor][] = [
    ["nothing", undefined, (x) => x],
    ["Relu", new Relu(), tf.relu],
    ["Relu6", new Relu6(), tf.relu6],
    ["Silu", new Silu(), (x) => tf.mul(x, tf.sigmoid(x))],
  ];
  for (const [name, activation, expected] of activations) {
    for (const groups of [1, 16]) {
      it(`are one call in evaluation, with TF.js's numbers: ${name} behind, ${groups} groups`, async () => {
        seedEverything(groups);
        const conv = new Conv2d(16, 32, 3, { stride: 2, padding: 1, groups, bias: false });
        const norm = withStatistics(32);
        const parts = activation === undefined ? [conv, norm] : [conv, norm, activation];
        const network = new Sequential(...parts).eval();
        expect(await callsOf(() => network.forward(x))).toBe(1);

        const reference = tf.tidy(() => {
          const weight = conv.weight as tf.Tensor as tf.Tensor4D;
          const picture =
            groups === 1
              ? tf.conv2d(x, tf.transpose<tf.Tensor4D>(weight, [2, 3, 1, 0]), 2, 1, "NHWC", 1, "floor")
              : tf.depthwiseConv2d(
                  x,
                  tf.transpose<tf.Tensor4D>(tf.reshape(weight, [16, 2, 3, 3]), [2, 3, 0, 1]),
                  2,
                  1,
                  "NHWC",
                  1,
                  "floor",
                );
          const { runningMean, runningVar, weight: gamma, bias, eps } = norm;
          return expected(
            tf.batchNorm4d(
              picture,
              runningMean as tf.Tensor as tf.Tensor1D,
              runningVar as tf.Tensor as tf.Tensor1D,
              bias as tf.Tensor as tf.Tensor1D,
              gamma as tf.Tensor as tf.Tensor1D,
              eps,
            ),
          );
        });
        const difference = tf.max(tf.abs(tf.sub(network.forward(x), reference)));
        expect(difference.dataSync()[0]).toBeLessThan(1e-5);
      });
    }
  }

  for (const [name, activation] of activations) {
    it(`are one call in training, and give what they give one by one: ${name} behind`, async () => {
      const observer = {
        onInput: (_name: string, _module: unknown, input: unknown) => input,
        onOutput: (_name: string, _module: unknown, output: unknown) => output,
      };
      const numbersOf = async (isObserved: boolean) => {
        seedEverything(3);
        const conv = new Conv2d(16, 32, 3, { stride: 2, padding: 1, bias: false });
        const parts = activation === undefined ? [] : [activation];
        const network = new Sequential(conv, withStatistics(32), ...parts);
        network.train();
        const forward = (): tf.Tensor =>
          isObserved ? observeForward(network, observer, () => network.forward(x)) : network.forward(x);
        const calls = await callsOf(forward);
        const ramp = tf.linspace(-1, 1, 32);
        computeGradients(() => tf.sum(tf.mul(tf.square(forward()), ramp)), network.parameters());
        const tensors = [
          ...Object.values(network.stateDict()),
          ...network.parameters().map(({ grad }) => grad!),
        ];
        const numbers = await Promise.all(tensors.map(async (tensor) => [...(await tensor.data())]));
        return { calls, numbers };
      };
      const [together, apart] = [await numbersOf(false), await numbersOf(true)];
      expect(together.calls).toBe(name === "Silu" ? 2 : 1);
      expect(apart.calls).toBeGreaterThan(2);
      const counts = [together, apart].map(({ numbers }) => numbers[5]);
      expect(counts).toEqual([[2], [2]]);
      const others = apart.numbers.flat();
      const errors = together.numbers.flat().map((number, i) => {
        return Math.abs(number - others[i]!) / Math.max(1, Math.abs(others[i]!));
      });
      expect(Math.max(...errors)).toBeLessThan(1e-5);
    });
  }

  it("give what gradients do not reach, too: of frozen convolutions and of pictures", () => {
    const conv = new Conv2d(16, 16, 3, { padding: 1, bias: false });
    conv.weight.requiresGrad = false;
    const last = new Conv2d(16, 8, 1, { bias: false });
    const network = new Sequential(conv, new BatchNorm2d(16), new Relu(), last, new BatchNorm2d(8));
    computeGradients(() => tf.sum(tf.square(network.forward(x))), network.parameters());
    expect(conv.weight.grad).toBeNull();
    expect(tf.max(tf.abs(last.weight.grad!)).dataSync()[0]).toBeGreaterThan(0);
  });

  it("refuse to train on one value a channel, and keep their statistics then", () => {
    const network = new Sequential(new Conv2d(16, 16, 9, { bias: false }), withStatistics(16), new Relu());
    const before = network.stateDict()["1.running_var"]!.dataSync();
    const one = tf.slice(x, 0, 1);
    expect(() => network.forward(one)).toThrow(
      expect.objectContaining({ code: "ERR_BATCH_TOO_SMALL" }) as Error,
    );
    expect(network.stateDict()["1.running_var"]!.dataSync()).toEqual(before);
  });

  it("are apart where gradients are wanted in evaluation, and where somebody watches", () => {
    const conv = new Conv2d(16, 16, 3, { padding: 1, bias: false });
    const network = new Sequential(conv, withStatistics(16), new Relu()).eval();
    computeGradients(() => tf.sum(network.forward(x)), network.parameters());
    expect(conv.weight.grad!.shape).toEqual([16, 16, 3, 3]);

    const seen: string[] = [];
    const observer = {
      onInput: (_name: string, _module: unknown, input: unknown) => input,
      onOutput: (name: string, _module: unknown, output: unknown) => (seen.push(name), output),
    };
    observeForward(network, observer, () => network.forward(x));
    expect(seen).toEqual(["0", "1", "2", ""]);
  });

  it("call a subclass's forward", () => {
    class Twice extends Relu {
      override forward(input: tf.Tensor): tf.Tensor {
        return tf.mul(super.forward(input), 2);
      }
    }
    const parts = [new Conv2d(16, 8, 1, { bias: false }), withStatistics(8)];
    const [once, twice] = [new Relu(), new Twice()].map((last) =>
      new Sequential(...parts, last).eval().forward(x),
    );
    const difference = tf.max(tf.abs(tf.sub(tf.mul(once!, 2), twice!)));
    expect(difference.dataSync()[0]).toBe(0);
  });

  it("name the convolution for a picture of other channels, depthwise too", () => {
    for (const groups of [1, 32]) {
      const network = new Sequential(
        new Conv2d(32, 32, 3, { groups, bias: false }),
        new BatchNorm2d(32),
      ).eval();
      expect(() => network.forward(x)).toThrow(/Conv2d takes an input of shape .*32.*not \[2, 9, 9, 16\]/);
    }
  });
});
