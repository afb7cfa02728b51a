/** The engine beside another user of ONNX Runtime that was first: the two share one environment. */
import { resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { InferenceSession } from "onnxruntime-node";
import { expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";

it("computes after onnxruntime-node itself has begun, and so does that afterwards", async () => {
  const path = resolve(import.meta.dirname, "../golden/onnx/network.onnx");
  const first = await InferenceSession.create(path);
  await engine.use({ accelerator: "cpu" });
  const product = tf.matMul(tf.ones([64, 64]), tf.ones([64, 64]));
  expect(await product.data()).toEqual(new Float32Array(64 * 64).fill(64));
  const second = await InferenceSession.create(path);
  expect(second.inputNames).toEqual(first.inputNames);
});
