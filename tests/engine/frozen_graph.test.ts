/** Inference with weights that do not change: constants of the graph after a while, until somebody trains them. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import { BatchNorm2d, computeGradients, Conv2d, Linear, Module, Parameter, SGD } from "../../src/nn/index.js";

class Net extends Module<tf.Tensor, tf.Tensor> {
  conv = new Conv2d(8, 16, 3, { padding: 1, bias: false });
  norm = new BatchNorm2d(16);
  head = new Linear(16, 4);

  override forward(x: tf.Tensor): tf.Tensor {
    return this.head.forward(tf.mean(tf.relu(this.norm.forward(this.conv.forward(x))), [1, 2]));
  }
}

function predict(net: Net, x: tf.Tensor): number[] {
  const y = tf.tidy(() => net.forward(x));
  const values = Array.from(y.dataSync());
  y.dispose();
  return values;
}

describe("steady weights", () => {
  beforeEach(async () => {
    await tf.setBackend("onnxruntime");
  });

  it("become constants that give the same numbers, and follow every change of a weight", () => {
    const net = new Net();
    const x = tf.randomNormal([2, 6, 6, 8], 0, 1, "float32", 3);
    net.eval();
    const first = predict(net, x);
    engine.resetStats();
    const later = Array.from({ length: 30 }, () => predict(net, x));
    expect(engine.stats().compiles).toBeGreaterThan(0);
    for (const values of later) values.forEach((value, i) => expect(value).toBeCloseTo(first[i]!, 5));
    engine.resetStats();
    predict(net, x);
    expect(engine.stats()).toMatchObject({ compiles: 0, replays: 1 });

    net.head.weight.assign(tf.zeros(net.head.weight.shape));
    const bias = Array.from(net.head.bias!.dataSync());
    predict(net, x).forEach((value, i) => expect(value).toBeCloseTo(bias[i % 4]!, 6));
  });

  it("are weights again after a step in place", () => {
    const weight = new Parameter(tf.ones([3]));
    const x = tf.tensor1d([1, 2, 3]);
    const read = (): number => tf.tidy(() => tf.sum(tf.mul(weight, x))).dataSync()[0]!;
    const optimizer = new SGD([weight], { lr: 0.5 });
    for (let step = 1; step <= 3; step++) {
      for (let i = 0; i < 25; i++) expect(read()).toBeCloseTo(6 - 7 * (step - 1), 5);
      computeGradients(() => tf.sum(tf.mul(weight, x)), [weight]);
      optimizer.step();
      optimizer.zeroGrad();
    }
  });
});
