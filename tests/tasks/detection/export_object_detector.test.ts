/** Exported detectors in plain ONNX Runtime, beside predict. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setValue } from "../../../src/backbones/initialize.js";
import { engine } from "../../../src/engine/index.js";
import { init } from "../../../src/nn/index.js";
import { loadOnnx, readOnnx } from "../../../src/onnx/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";
import { tinyBackbone } from "./tiny_detector.js";

const SIZE = 64;
const COUNTED = { threshold: 0.2, iou: 0.5, maxDetections: 20 };

/** Square pictures as large as the network's input, which are not resized. */
function pictures(count: number) {
  const random = new Generator(3);
  return Array.from({ length: count }, () => ({
    data: Uint8Array.from({ length: SIZE * SIZE * 3 }, () => random.integer(256)),
    width: SIZE,
    height: SIZE,
    channels: 3,
  }));
}

/** Scores of all sizes and boxes that overlap, as no training gives them. */
function detector(head: "fcos" | "ssdlite"): ObjectDetector {
  seedEverything(1);
  const task = new ObjectDetector({
    labels: ["a", "b", "c"],
    backbone: tinyBackbone(),
    imageSize: SIZE,
    head,
  });
  for (const [name, parameter] of task.network.namedParameters()) {
    if (!name.startsWith("backbone")) setValue(parameter, init.normal(parameter.shape, { std: 0.3 }));
  }
  return task;
}

let folder: string;
beforeAll(async () => {
  await engine.use();
  folder = mkdtempSync(join(tmpdir(), "kindling-export-detector-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("ObjectDetector.exportOnnx", () => {
  it.each(["fcos", "ssdlite"] as const)(
    "writes a file (%s) that finds what predict finds, in any number of pictures",
    async (head) => {
      const task = detector(head);
      const path = join(folder, `${head}.onnx`);
      const { difference } = await task.exportOnnx(path, { preprocessing: true, ...COUNTED });
      expect(difference.relative).toBeLessThan(1e-4);
      const session = await InferenceSession.create(path);
      expect(session.outputNames).toEqual(["num_detections", "boxes", "scores", "class_ids"]);
      for (const count of [1, 3]) {
        const images = pictures(count);
        const pixels = Uint8Array.from(images.flatMap(({ data }) => [...data]));
        const result = await session.run({ pixels: new Tensor("uint8", pixels, [count, SIZE, SIZE, 3]) });
        const [boxes, scores] = [result.boxes!.data as Float32Array, result.scores!.data as Float32Array];
        const expected = await task.predict(images, COUNTED);
        expect(expected[0]!.length).toBeGreaterThan(3);
        for (const [i, detections] of expected.entries()) {
          expect(Number(result.num_detections!.data[i])).toBe(detections.length);
          for (const [j, { score, classId, box }] of detections.entries()) {
            const at = i * COUNTED.maxDetections + j;
            expect(scores[at]).toBeCloseTo(score, 4);
            expect(Number(result.class_ids!.data[at])).toBe(classId);
            const edges = [box.xmin, box.ymin, box.xmax, box.ymax];
            edges.forEach((edge, e) => {
              const inside = Math.min(SIZE, Math.max(0, boxes[4 * at + e]!));
              expect(Math.abs(inside - edge)).toBeLessThan(1e-3);
            });
          }
          const last = (i + 1) * COUNTED.maxDetections - 1;
          if (detections.length < COUNTED.maxDetections) {
            expect([scores[last], Number(result.class_ids!.data[last])]).toEqual([0, -1]);
          }
        }
      }
    },
    120_000,
  );

  it("says what the classes are and how pictures are prepared", async () => {
    const path = join(folder, "described.onnx");
    await detector("fcos").exportOnnx(path, COUNTED);
    const { metadata } = await readOnnx(path);
    expect(JSON.parse(metadata.labels!)).toEqual(["a", "b", "c"]);
    const described = JSON.parse(metadata["kindling.task"]!) as Record<string, unknown>;
    expect(described).toMatchObject({ task: "ObjectDetector", imageSize: SIZE, ...COUNTED });
    expect(described.input).toMatchObject({ mean: [0.5, 0.5, 0.5] });
  });

  it("gives what the network says of all places without nms, which loadOnnx takes back", async () => {
    const task = detector("fcos");
    const path = join(folder, "raw.onnx");
    await task.exportOnnx(path, { nms: false });
    const loaded = await loadOnnx(path);
    expect(loaded.outputs).toEqual(["scores", "boxes"]);
    const pixels = tf.randomNormal([1, SIZE, SIZE, 3], 0, 1, "float32", 1);
    const { scores, boxes } = loaded.eval().forward(tf.transpose(pixels, [0, 3, 1, 2]));
    task.eval();
    const own = task.network.decode(task.forward(pixels));
    const distance = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).arraySync() as number;
    expect(distance(scores!, own.scores)).toBeLessThan(1e-5);
    expect(distance(boxes!, own.boxes)).toBeLessThan(1e-3);
  });

  it("is taken back by loadOnnx with its suppression", async () => {
    const task = detector("fcos");
    const path = join(folder, "whole.onnx");
    await task.exportOnnx(path, { preprocessing: true, ...COUNTED });
    const [image] = pictures(1);
    const loaded = await loadOnnx(path);
    const pixels = tf.tensor(image!.data, [1, SIZE, SIZE, 3], "int32");
    const { num_detections, scores } = loaded.eval().forward(pixels);
    const expected = await task.predict(image!, COUNTED);
    expect(num_detections!.dataSync()[0]).toBe(expected.length);
    expect(scores!.dataSync()[0]).toBeCloseTo(expected[0]!.score, 4);
  });
});
