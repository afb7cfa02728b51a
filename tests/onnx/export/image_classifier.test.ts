/** `ImageClassifier.exportOnnx`: the file against the task, in plain ONNX Runtime, and what it says of itself. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../../support/backend.js";
import { parseImageInput } from "../../../src/backbones/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { readOnnx } from "../../../src/onnx/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { ImageClassifier } from "../../../src/tasks/image/image_classifier.js";
import { runPlainOnnxRuntimeOn } from "../../support/plain_onnx_runtime.js";
import { useFolder } from "./support.js";

const folder = useFolder();
const labels = ["cat", "it's a \\dog", "Möwe"];

function pictures(batch: number, size: number): HostTensor {
  const random = new Generator(3);
  const bytes = Uint8Array.from({ length: batch * size * size * 3 }, () => random.integer(256));
  return new HostTensor(bytes, [batch, size, size, 3]);
}

/** As the README of any model in Hugging Face's layout says: (byte · rescale_factor - mean) / std, channels first. */
function pixelValues({ data, shape }: HostTensor, config: Record<string, unknown>): HostTensor {
  const [batch, height, width] = shape as [number, number, number];
  const {
    rescale_factor: factor,
    image_mean: mean,
    image_std: std,
  } = config as {
    rescale_factor: number;
    image_mean: number[];
    image_std: number[];
  };
  const values = new Float32Array(data.length);
  const plane = height * width;
  data.forEach((byte, i) => {
    const [channel, place, picture] = [i % 3, Math.floor(i / 3) % plane, Math.floor(i / 3 / plane)];
    values[(picture * 3 + channel) * plane + place] = (byte * factor - mean[channel]!) / std[channel]!;
  });
  return new HostTensor(values, [batch, 3, height, width]);
}

function newTask(backbone: string, multiLabel = false): ImageClassifier {
  seedEverything(4);
  const pretrained = backbone === "small_cnn" ? {} : { pretrained: false };
  return new ImageClassifier({ labels, multiLabel, backbone, imageSize: 64, ...pretrained });
}

/** `predict` takes pictures as they are decoded. */
async function logitsOf(task: ImageClassifier, batch: HostTensor): Promise<number[][]> {
  const [count, height, width] = batch.shape as [number, number, number];
  const size = height * width * 3;
  const sources = Array.from({ length: count }, (_, i) => ({
    data: (batch.data as Uint8Array).subarray(i * size, (i + 1) * size),
    width,
    height,
    channels: 3 as const,
  }));
  return task.predict(sources, { output: "logits" });
}

function expectClose(actual: HostTensor, expected: number[][], tolerance: number): void {
  expect(actual.shape).toEqual([expected.length, labels.length]);
  const largest = Math.max(...expected.flat().map(Math.abs));
  expected
    .flat()
    .forEach((value, i) =>
      expect(Math.abs(actual.data[i]! - value)).toBeLessThanOrEqual(tolerance * largest),
    );
}

describe.each(["small_cnn", "mobilenet_v2"])("%s", (backbone) => {
  it("gives the task's logits for any number of pictures, with the preparation before it or inside", async () => {
    const task = newTask(backbone);
    const { opset, difference } = await task.exportOnnx(folder.file);
    expect(opset).toBe(17);
    expect(difference.relative).toBeLessThan(1e-4);
    const { metadata, graph } = await readOnnx(folder.file);
    expect(graph.inputs[0]).toMatchObject({
      name: "pixel_values",
      type: { type: "float32", shape: ["batch", 3, 64, 64] },
    });
    const config = JSON.parse(metadata.preprocessor_config!) as Record<string, unknown>;
    const batches = [1, 3].map((count) => pictures(count, 64));
    const results = runPlainOnnxRuntimeOn(
      folder.file,
      batches.map((batch) => ({ pixel_values: pixelValues(batch, config) })),
    );
    await task.exportOnnx(folder.file, { preprocessing: true });
    expect((await readOnnx(folder.file)).graph.inputs[0]).toMatchObject({
      name: "pixels",
      type: { type: "uint8", shape: ["batch", 64, 64, 3] },
    });
    const inside = runPlainOnnxRuntimeOn(
      folder.file,
      batches.map((pixels) => ({ pixels })),
    );
    for (const [i, batch] of batches.entries()) {
      const expected = await logitsOf(task, batch);
      expectClose(results[i]!.logits!, expected, 1e-5);
      expectClose(inside[i]!.logits!, expected, 1e-5);
    }
  });
});

describe("the outputs", () => {
  it.each([false, true])("are probabilities too if asked for (multiLabel: %s)", async (multiLabel) => {
    const task = newTask("small_cnn", multiLabel);
    await task.exportOnnx(folder.file, { probabilities: true, preprocessing: true });
    const [{ logits, probabilities } = {}] = runPlainOnnxRuntimeOn(folder.file, [
      { pixels: pictures(2, 64) },
    ]);
    const scores = tf.tensor(logits!.data, [2, 3]);
    const expected = (multiLabel ? tf.sigmoid(scores) : tf.softmax(scores)).dataSync();
    probabilities!.data.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));
  });
});

describe("the metadata", () => {
  it("name the classes and say how pictures are prepared", async () => {
    const task = newTask("small_cnn");
    await task.exportOnnx(folder.file, { weights: "float16" });
    const { metadata, producerName } = await readOnnx(folder.file);
    expect(producerName).toBe("kindling");
    expect(JSON.parse(metadata.labels!)).toEqual(labels);
    expect(metadata.names).toBe("{0: 'cat', 1: 'it\\'s a \\\\dog', 2: 'Möwe'}");
    expect(parseImageInput(JSON.parse(metadata.preprocessor_config!), "metadata")).toEqual(task.input);
    expect(JSON.parse(metadata["kindling.task"]!)).toMatchObject({
      version: 1,
      task: "ImageClassifier",
      labels,
      multiLabel: false,
      inputs: ["pixel_values"],
      outputs: ["logits"],
      preprocessing: false,
      input: { rescaleFactor: 1 / 255 },
    });
  });

  it("say that nothing is left to normalise where the file does it", async () => {
    await newTask("small_cnn").exportOnnx(folder.file, { preprocessing: true });
    const { metadata } = await readOnnx(folder.file);
    const config = JSON.parse(metadata.preprocessor_config!) as object;
    expect(config).toMatchObject({ do_rescale: false, do_normalize: false, size: { height: 64, width: 64 } });
    expect(config).not.toHaveProperty("image_mean");
  });
});
