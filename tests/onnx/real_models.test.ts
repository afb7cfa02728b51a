/** Real models, imported, beside plain ONNX Runtime. */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { HostTensor } from "../../src/host_tensor.js";
import { Generator } from "../../src/random.js";
import { loadOnnx } from "../../src/onnx/index.js";
import { runPlainOnnxRuntime } from "../support/plain_onnx_runtime.js";
import { describeShared } from "../support/shared.js";

describeShared("models/mobilenet_v2", (folder) => {
  it("computes what ONNX Runtime computes, for any batch and size", async () => {
    const path = join(folder, "onnx/model.onnx");
    const module = (await loadOnnx(path)).eval();
    for (const shape of [
      [1, 3, 224, 224],
      [2, 3, 96, 64],
    ]) {
      const pixels = normal(shape);
      const expected = runPlainOnnxRuntime(path, { pixel_values: pixels });
      const outputs = module.forward(tf.tensor(pixels.data, shape));
      expect(Object.keys(outputs)).toEqual(Object.keys(expected));
      for (const name in expected) {
        expect(outputs[name]!.shape).toEqual(expected[name]!.shape);
        expectClose(outputs[name]!.dataSync(), expected[name]!.data as Float32Array);
      }
    }
  });
});

function normal(shape: number[]): HostTensor {
  const generator = new Generator(1);
  return new HostTensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => generator.normal()),
    shape,
  );
}

/** Within 1e-4 of the largest. */
function expectClose(actual: ArrayLike<number>, expected: Float32Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
  expect(worst / largest).toBeLessThan(1e-4);
}
