/** Inference with weights that do not change: constants of the graph after a while, until somebody trains them. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import {
  BatchNorm2d,
  computeGradients,
  Conv2d,
  gelu,
  Linear,
  Module,
  Parameter,
  SGD,
} from "../../src/nn/index.js";

class Net extends Module<tf.Tensor, tf.Tensor> {
  conv = new Conv2d(8, 16, 3, { padding: 1, bias: false });
  norm = new BatchNorm2d(16);
  head = new Linear(16, 4);

  override forward(x: tf.Tensor): tf.Tensor {
    return this.head.forward(tf.mean(tf.relu(this.norm.forward(this.conv.forward(x))), [1, 2]));
  }
}

/** What MobileNetV2 begins with: between layers of 32 and 48 channels there is one of 24, with a shortcut. */
class Bottleneck extends Module<tf.Tensor4D, tf.Tensor> {
  stem = new Conv2d(3, 32, 3, { stride: 2, padding: 1, bias: false });
  norm = new BatchNorm2d(32);
  narrow = new Conv2d(32, 24, 1);
  wide = new Conv2d(24, 48, 1);
  depthwise = new Conv2d(48, 48, 3, { padding: 1, groups: 48 });
  back = new Conv2d(48, 24, 1);
  again = new Conv2d(24, 64, 3);

  override forward(x: tf.Tensor4D): tf.Tensor {
    const maps = this.narrow.forward(tf.relu6(this.norm.forward(this.stem.forward(x))));
    const inner = tf.relu(this.depthwise.forward(tf.relu6(this.wide.forward(maps))));
    return tf.mean(this.again.forward(tf.add(maps, this.back.forward(inner))), [1, 2]);
  }
}

/** Reads a result when nothing is held any more but that. */
function read(f: () => tf.Tensor): number[] {
  const y = tf.tidy(f);
  const values = Array.from(y.dataSync());
  y.dispose();
  return values;
}

function predict(net: Net, x: tf.Tensor): number[] {
  return read(() => net.forward(x));
}

/** Runs after which weights are constants. */
const STEADY_RUNS = 20;

/** What `f` gives when its graph has been compiled for weights that stay as they are. */
function whenSteady(f: () => tf.Tensor): number[] {
  let values: number[] = [];
  for (let i = 0; i < STEADY_RUNS; i++) {
    if (i === 1) engine.resetStats();
    values = read(f);
  }
  expect(engine.stats().compiles).toBeGreaterThan(0);
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

  it.each(["none", "tanh"] as const)("compute gelu (approximate: %s) in one operator", (approximate) => {
    const weight = new Parameter(tf.linspace(-6, 6, 41));
    const x = tf.scalar(1);
    const exact = (x: number): number => {
      const u = approximate === "tanh" ? Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)) : erf(x);
      return 0.5 * x * (1 + u);
    };
    const values = whenSteady(() => gelu(tf.mul(weight, x), { approximate }));
    const expected = Array.from(weight.dataSync(), exact);
    values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });

  it("leave pictures in blocks whose channels make no whole ones", () => {
    const net = new Bottleneck().eval();
    const x = tf.randomNormal<tf.Rank.R4>([2, 12, 12, 3], 0, 1, "float32", 5);
    const first = read(() => net.forward(x));
    engine.startProfiling();
    const values = whenSteady(() => net.forward(x));
    const steady = engine
      .stopProfiling()
      .filter(({ cat, args }) => cat === "Node" && args.op_name !== undefined);
    values.forEach((value, i) => expect(value).toBeCloseTo(first[i]!, 5));
    const last = steady.filter(({ pid }) => pid === Math.max(...steady.map((event) => event.pid)));
    const operators = new Set(last.map(({ args }) => args.op_name));
    expect(operators).toContain("Conv");
    expect(operators).not.toContain("ReorderInput");
  });

  it("may be a picture that lies in blocks", () => {
    const convs = [new Conv2d(3, 32, 1), new Conv2d(32, 24, 1), new Conv2d(24, 32, 1)] as const;
    const picture = new Parameter(tf.randomNormal([2, 5, 5, 32], 0, 1, "float32", 7));
    const x = tf.randomNormal<tf.Rank.R4>([2, 5, 5, 3], 0, 1, "float32", 8);
    const forward = (): tf.Tensor => {
      const wide = tf.relu<tf.Tensor4D>(tf.add(convs[0].forward(x), picture));
      return tf.mean(convs[2].forward(convs[1].forward(wide)), [1, 2]);
    };
    const first = read(forward);
    whenSteady(forward).forEach((value, i) => expect(value).toBeCloseTo(first[i]!, 5));
  });

  it.each([1, "same"] as const)(
    "pool maxima past NaN as TensorFlow.js's cpu does, padding %s",
    async (pad) => {
      const numbers = Array.from({ length: 2 * 12 * 12 * 3 }, (_, i) => Math.sin(i));
      const pool = (x: tf.Tensor4D): tf.Tensor => tf.maxPool(x, 3, 2, pad, pad === 1 ? "floor" : undefined);
      for (const missing of [[], [0, 200, 201, 740]]) {
        const pixels = numbers.map((value, i) => (missing.includes(Math.floor(i / 3)) ? NaN : value));
        const conv = new Conv2d(3, 16, 1, { bias: false });
        const x = tf.tensor4d(pixels, [2, 12, 12, 3]);
        const maps = conv.forward(x);
        const shape = maps.shape as [number, number, number, number];
        const input = Array.from(maps.dataSync());
        const values = whenSteady(() => pool(conv.forward(x) as tf.Tensor4D));
        await tf.setBackend("cpu");
        const expected = Array.from(pool(tf.tensor4d(input, shape)).dataSync());
        await tf.setBackend("onnxruntime");
        expect(input.some(Number.isNaN)).toBe(missing.length > 0);
        values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
      }
    },
  );
});

/** The error function of x / √2, by its Taylor series. */
function erf(x: number): number {
  const z = x / Math.SQRT2;
  let [sum, term] = [0, z];
  for (let n = 0; n < 100; n++) {
    sum += term / (2 * n + 1);
    term *= (-z * z) / (n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
