/** `toOnnx`: what plain ONNX Runtime computes from the file against what the module computes. */
import * as tf from "@tensorflow/tfjs-core";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import { MobileNetV2 } from "../../src/backbones/mobilenet_v2.js";
import {
  LightningModule,
  type OptimizerConfiguration,
  type TrainingStepOutput,
} from "../../src/core/index.js";
import { engine } from "../../src/engine/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Embedding,
  Flatten,
  Gelu,
  Linear,
  MaxPool2d,
  Relu,
  Sequential,
  SGD,
  TransformerEncoderLayer,
  type Module,
} from "../../src/nn/index.js";
import { Generator, seedEverything } from "../../src/random.js";
import { BoringModel } from "../support/boring_model.js";
import { runPlainOnnxRuntime } from "../support/plain_onnx_runtime.js";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-onnx-"));
  path = join(folder, "model.onnx");
  seedEverything(2);
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A module whose forward pass is a function; `net` holds the weights. */
class Exported<Input> extends LightningModule<Input, unknown> {
  readonly net: Module;
  readonly #forward: (net: Module, input: Input) => unknown;

  constructor(net: Module, forward: (net: Module, input: Input) => unknown) {
    super();
    this.net = net;
    this.#forward = forward;
  }

  forward(input: Input): unknown {
    return this.#forward(this.net, input);
  }

  override trainingStep(): TrainingStepOutput {
    throw new Error("not trained here");
  }

  override configureOptimizers(): OptimizerConfiguration {
    return new SGD(this.parameters(), { lr: 0.1 });
  }
}

const alone = (net: Module) => new Exported<tf.Tensor>(net, (inner, input) => inner.forward(input));

function randomInput(...shape: number[]): HostTensor {
  const random = new Generator(8);
  const size = shape.reduce((a, b) => a * b);
  return new HostTensor(
    Float32Array.from({ length: size }, () => random.normal()),
    shape,
  );
}

function expectClose(actual: HostTensor, expected: tf.Tensor): void {
  expect(actual.shape).toEqual(expected.shape);
  const values = expected.dataSync();
  actual.data.forEach((value, i) => {
    expect(Math.abs(value - values[i]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(values[i]!)));
  });
}

describe("toOnnx", () => {
  it.each([
    ["a multilayer perceptron", () => new Sequential(new Linear(6, 8), new Gelu(), new Linear(8, 3)), [4, 6]],
    [
      "a convolutional network whose channels fill blocks",
      () =>
        new Sequential(
          new Conv2d(3, 16, 3, { padding: 1 }),
          new BatchNorm2d(16),
          new Relu(),
          new MaxPool2d(2),
          new Conv2d(16, 32, 3, { stride: 2, padding: 1 }),
          new Dropout(0.5),
          new Flatten(),
          new Linear(32 * 2 * 2, 5),
        ),
      [2, 8, 8, 3],
    ],
    [
      "a transformer layer",
      () => new TransformerEncoderLayer(16, 4, { dimFeedforward: 32, dropout: 0.3, batchFirst: true }),
      [2, 5, 16],
    ],
    ["MobileNetV2", () => new MobileNetV2(), [1, 64, 64, 3]],
  ] as [string, () => Module, number[]][])("gives the numbers of %s", async (_, create, shape) => {
    const module = alone(create());
    const input = randomInput(...shape);
    await module.toOnnx(path, input);
    expect(module.training).toBe(true);
    const { output } = runPlainOnnxRuntime(path, { input });
    module.eval();
    const expected = module.forward(tf.tensor(input.data, [...input.shape])) as tf.Tensor;
    expectClose(output!, expected);
  });

  it("takes and gives several tensors by name, integers among them", async () => {
    const module = new Exported<{ ids: tf.Tensor; mask: tf.Tensor }>(
      new Embedding(9, 4) as Module,
      (net, { ids, mask }) => {
        const vectors = tf.mul(net.forward(ids), tf.expandDims(tf.cast(mask, "float32"), -1));
        return { vectors, pooled: tf.mean(vectors, 1), same: ids };
      },
    );
    const ids = new HostTensor(Int32Array.of(1, 8, 3, 0, 0, 5), [2, 3]);
    const mask = new HostTensor(Uint8Array.of(1, 1, 1, 0, 1, 1), [2, 3], "bool");
    module.exampleInputArray = { ids, mask };
    await module.toOnnx(path);
    const results = runPlainOnnxRuntime(path, { ids, mask });
    const expected = module.forward({
      ids: tf.tensor2d([1, 8, 3, 0, 0, 5], [2, 3], "int32"),
      mask: tf.tensor2d([1, 1, 1, 0, 1, 1], [2, 3], "bool"),
    }) as Record<string, tf.Tensor>;
    expectClose(results.vectors!, expected.vectors!);
    expectClose(results.pooled!, expected.pooled!);
    expect([...results.same!.data]).toEqual([1, 8, 3, 0, 0, 5]);
  });

  it("keeps the weights' names, and holds the weights of the moment", async () => {
    const module = new BoringModel();
    module.layer.weight.assign(tf.ones([2, 32]));
    await module.toOnnx(path, randomInput(1, 32));
    module.layer.weight.assign(tf.zeros([2, 32]));
    const { output } = runPlainOnnxRuntime(path, {
      input: new HostTensor(new Float32Array(32).fill(1), [1, 32]),
    });
    const bias = module.layer.bias!.dataSync();
    output!.data.forEach((value, i) => expect(value).toBeCloseTo(32 + bias[i]!, 4));
    expect(readFileSync(path).includes("layer.weight")).toBe(true);
  });

  it("leaves no tensors, and training goes on", async () => {
    const module = alone(new Sequential(new Conv2d(3, 16, 3), new Relu()));
    const before = tf.memory().numTensors;
    await module.toOnnx(path, randomInput(1, 6, 6, 3));
    expect(tf.memory().numTensors).toBe(before);
    const output = module.forward(tf.ones([1, 6, 6, 3])) as tf.Tensor;
    expect(output.dataSync()).toHaveLength(4 * 4 * 16);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("says why it cannot", async () => {
    const module = new BoringModel();
    await expect(module.toOnnx(path)).rejects.toMatchObject({
      code: "ERR_ONNX_SAMPLE",
      message: expect.stringContaining("toOnnx takes it as inputSample or from exampleInputArray") as string,
    });
    const reading = new Exported<tf.Tensor>(new Linear(2, 2), (net, input) => {
      const largest = tf.max(net.forward(input)).dataSync()[0]!;
      return tf.mul(input, largest);
    });
    await expect(reading.toOnnx(path, randomInput(1, 2))).rejects.toMatchObject({
      code: "ERR_ONNX_EXPORT",
      message: expect.stringContaining("reads a value which depends on its input") as string,
    });
    const strange = new Exported<tf.Tensor>(
      new Linear(2, 2),
      (_, input) => tf.unique(tf.reshape(input, [-1])).values,
    );
    await expect(strange.toOnnx(path, randomInput(1, 2))).rejects.toMatchObject({ code: "ERR_ONNX_EXPORT" });
    // Nothing of the attempts is left behind.
    expect(tf.add<tf.Scalar>(1, 2).dataSync()[0]).toBe(3);
  });
});
