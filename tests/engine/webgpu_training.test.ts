/** A small network trained on WebGPU, in software, beside the CPU. */
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, describe, expect, it } from "vitest";
import { engine, runStep } from "../../src/engine/index.js";
import {
  AdamW,
  BatchNorm2d,
  computeGradients,
  Conv2d,
  crossEntropy,
  LayerNorm,
  Linear,
  Module,
  Parameter,
} from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";
import { useSoftwareGpu } from "../support/software_gpu.js";

const missing = useSoftwareGpu();

class Net extends Module<tf.Tensor, tf.Tensor> {
  conv = new Conv2d(3, 8, 3, { padding: 1 });
  norm = new BatchNorm2d(8);
  next = new Conv2d(8, 16, 3, { stride: 2, padding: 1 });
  layerNorm = new LayerNorm(16);
  head = new Linear(16, 4);

  override forward(x: tf.Tensor): tf.Tensor {
    const first = tf.relu(this.norm.forward(this.conv.forward(x)));
    return this.head.forward(this.layerNorm.forward(tf.mean(tf.relu6(this.next.forward(first)), [1, 2])));
  }
}

/** The losses of five steps from the same weights on the same numbers. */
function losses(): number[] {
  seedEverything(3);
  const net = new Net();
  const parameters = [...net.parameters()];
  const optimizer = new AdamW(parameters, { lr: 1e-2 });
  const x = tf.randomNormal([4, 8, 8, 3], 0, 1, "float32", 5);
  const y = tf.tensor1d([0, 1, 2, 3], "int32");
  return Array.from({ length: 5 }, () => {
    const loss = computeGradients(() => crossEntropy(net.forward(x), y), parameters);
    optimizer.step();
    optimizer.zeroGrad();
    return loss.dataSync()[0]!;
  });
}

describe.skipIf(missing !== undefined)(`training on WebGPU in software (${missing ?? "ready"})`, () => {
  afterAll(() => engine.use({ accelerator: "cpu" }));

  it("reads from the GPU what is asked for, once, and trains without reading anything", async () => {
    await engine.use({ accelerator: "webgpu" });
    const weight = new Parameter(tf.tensor1d([1, 2, 3]));
    const optimizer = new AdamW([weight], { lr: 0.5, weightDecay: 0 });
    engine.resetStats();
    for (let step = 0; step < 3; step++) {
      await runStep(() => {
        computeGradients(() => tf.sum(weight), [weight]);
        optimizer.step();
        optimizer.zeroGrad();
      });
    }
    expect(engine.stats()).toMatchObject({ runs: 3, downloads: 0 });
    for (const value of [await weight.data(), weight.dataSync()]) expect(value[0]).toBeCloseTo(-0.5, 3);
    expect(engine.stats()).toMatchObject({ downloads: 1, downloadedBytes: 12 });
  });

  it("tells infinity and NaN from numbers, as loss scaling needs it", async () => {
    await engine.use({ accelerator: "webgpu" });
    const x = tf.tensor1d([1, Infinity, NaN, -Infinity, 3e38]);
    const overflow = tf.mul(tf.tensor1d([3e38, 1]), 10);
    expect(Array.from(tf.isFinite(x).dataSync())).toEqual([1, 0, 0, 0, 1]);
    const good = [tf.tensor1d([1, 3e38]), tf.add(x, NaN), overflow].map(
      (values) => tf.all(tf.isFinite(values)).dataSync()[0],
    );
    expect(good).toEqual([1, 0, 0]);
  });

  it("has the CPU's losses to four digits, with no kernel on TF.js's cpu backend", async () => {
    await tf.setBackend("onnxruntime");
    const expected = losses();
    const { name } = await engine.use({ accelerator: "webgpu" });
    expect(name).toBe("webgpu");
    engine.resetStats();
    const actual = losses();
    const { fallbackKernels, downloads, downloadedBytes } = engine.stats();
    expect(fallbackKernels).toEqual({});
    // Weights, statistics and the optimizer's state stay there: what comes back is a loss a step.
    expect({ downloads, downloadedBytes }).toEqual({ downloads: 5, downloadedBytes: 5 * 4 });
    actual.forEach((loss, step) => expect(loss / expected[step]!).toBeCloseTo(1, 4));
    await engine.use({ accelerator: "cpu" });
    losses().forEach((loss, step) => expect(loss).toBeCloseTo(expected[step]!, 5));
  });
});
