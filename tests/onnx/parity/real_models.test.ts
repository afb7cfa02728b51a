/** Real models, imported: their outputs beside plain ONNX Runtime's and their publishers', and a training step through each. */
import "../../support/backend.js";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { relativeError } from "../../../bench/onnx_reference.js";
import { engine } from "../../../src/engine/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { computeGradients } from "../../../src/nn/index.js";
import { loadOnnx } from "../../../src/onnx/index.js";
import { Generator } from "../../../src/random.js";
import { runPlainOnnxRuntime } from "../../support/plain_onnx_runtime.js";
import { describeShared } from "../../support/shared.js";

/** Of the largest number of an output. */
const TOLERANCE = 1e-4;

interface RealModel {
  path: string;
  input: string;
  /** What numbers the model is used to: a deviation around a mean. */
  mean?: number;
  deviation?: number;
  shapes: number[][];
}

const models: RealModel[] = [
  {
    path: "mobilenet_v2/onnx/model.onnx",
    input: "pixel_values",
    shapes: [
      [1, 3, 224, 224],
      [2, 3, 96, 64],
    ],
  },
  { path: "squeezenet_1.1/onnx/model.onnx", input: "pixel_values", shapes: [[2, 3, 224, 224]] },
  {
    path: "yolox_nano/yolox_nano.onnx",
    input: "images",
    mean: 114,
    deviation: 60,
    shapes: [[1, 3, 416, 416]],
  },
  {
    path: "openwakeword/melspectrogram.onnx",
    input: "input",
    deviation: 3000,
    shapes: [
      [1, 16000],
      [2, 12400],
    ],
  },
  {
    path: "openwakeword/embedding_model.onnx",
    input: "input_1",
    mean: 10,
    deviation: 2,
    shapes: [
      [1, 76, 32, 1],
      [3, 76, 32, 1],
    ],
  },
];

for (const { path, input, mean = 0, deviation = 1, shapes } of models) {
  describeShared(`models/${path}`, (file) => {
    it.each(shapes.map((shape) => [shape]))("computes what ONNX Runtime computes for %j", async (shape) => {
      const numbers = normal(shape, mean, deviation);
      const expected = runPlainOnnxRuntime(file, { [input]: numbers });
      const module = (await loadOnnx(file)).eval();
      const outputs = module.forward(tf.tensor(numbers.data, shape));
      expect(Object.keys(outputs)).toEqual(Object.keys(expected));
      for (const [name, { data, shape }] of Object.entries(expected)) {
        expect(outputs[name]!.shape).toEqual(shape);
        expect(relativeError(outputs[name]!.dataSync(), data)).toBeLessThan(TOLERANCE);
      }
    });

    it("trains: the loss falls as the gradients say, and nothing runs on slow kernels", async () => {
      const module = (await loadOnnx(file)).train();
      const { data } = normal(shapes[0]!, mean, deviation);
      const parameters = module.parameters();
      const loss = () =>
        tf.tidy(() => {
          const outputs = Object.values(module.forward(tf.tensor(data, shapes[0])));
          return tf.mean<tf.Scalar>(tf.square(outputs.at(-1)!));
        });
      engine.resetStats();
      const before = computeGradients(loss, parameters).dataSync()[0]!;
      const squares = parameters.reduce((sum, { grad }) => sum + tf.sum(tf.square(grad!)).dataSync()[0]!, 0);
      expect(engine.stats().fallbackKernels).toEqual({});
      // A step after which the loss is a thousandth smaller, as far as it is linear.
      const rate = (1e-3 * before) / squares;
      tf.tidy(() => {
        for (const parameter of parameters)
          parameter.assign(tf.sub(parameter, tf.mul(parameter.grad!, rate)));
      });
      const change = (before - loss().dataSync()[0]!) / (1e-3 * before);
      expect(change).toBeGreaterThan(0.9);
      expect(change).toBeLessThan(1.1);
    });
  });
}

describeShared("models/squeezenet_1.1", (folder) => {
  it.each([0, 1, 2])("computes the publisher's logits of pair %i", async (pair) => {
    const [input, output] = ["input_0.npy", "output_0.npy"].map((file) =>
      readNpy(join(folder, "golden", String(pair), file)),
    );
    const module = (await loadOnnx(join(folder, "onnx", "model.onnx"))).eval();
    const { logits } = module.forward(tf.tensor(input!.data, [...input!.shape]));
    expect(relativeError(logits!.dataSync(), output!.data)).toBeLessThan(TOLERANCE);
  });
});

function normal(shape: number[], mean: number, deviation: number): HostTensor {
  const generator = new Generator(1);
  const next = () => mean + deviation * generator.normal();
  return new HostTensor(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, next), shape);
}

/** A float32 array that NumPy wrote, in C order. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
function readNpy(path: string): HostTensor {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, start);
  expect(header).toContain("'descr': '<f4', 'fortran_order': False");
  const shape = /'shape': \(([^)]*)\)/
    .exec(header)![1]!
    .split(",")
    .filter((length) => length.trim() !== "");
  return new HostTensor(new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer), shape.map(Number));
}
