/** A small network trained on WebGPU, in software, beside the CPU. */
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import {
  AdamW,
  BatchNorm2d,
  computeGradients,
  Conv2d,
  crossEntropy,
  LayerNorm,
  Linear,
  Module,
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

  it("refuses a precision that graphs do not compute in", async () => {
    const half = { accelerator: "webgpu", precision: "16-mixed" } as object;
    await expect(engine.use(half)).rejects.toMatchObject({ code: "ERR_ENGINE_PRECISION" });
  });

  it("has the CPU's losses to four digits, with no kernel on TF.js's cpu backend", async () => {
    await tf.setBackend("onnxruntime");
    const expected = losses();
    const { name } = await engine.use({ accelerator: "webgpu" });
    expect(name).toBe("webgpu");
    engine.resetStats();
    const actual = losses();
    expect(engine.stats().fallbackKernels).toEqual({});
    actual.forEach((loss, step) => expect(loss / expected[step]!).toBeCloseTo(1, 4));
    await engine.use({ accelerator: "cpu" });
    losses().forEach((loss, step) => expect(loss).toBeCloseTo(expected[step]!, 5));
  });
});
