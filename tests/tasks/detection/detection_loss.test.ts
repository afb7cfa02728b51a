/** Boxes, suppression, assignment and losses against torchvision, PyTorch's autograd and loops in Python. */
import * as tf from "@tensorflow/tfjs-core";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../../src/engine/index.js";
import { boxIou, nms } from "../../../src/tasks/detection/boxes.js";
import { assignTargets } from "../../../src/tasks/detection/network/assign_targets.js";
import { decodeBoxes, generalizedIou, overlapOf } from "../../../src/tasks/detection/network/box_tensors.js";
import { detectionLoss } from "../../../src/tasks/detection/network/detection_loss.js";
import { makePoints } from "../../../src/tasks/detection/network/points.js";

const path = join(import.meta.dirname, "../../golden/detection.json");
const golden = JSON.parse(readFileSync(path, "utf8")) as {
  overlaps: Record<"a" | "b" | "iou" | "giou", number[]>;
  suppression: {
    boxes: number[];
    scores: number[];
    classes: number[];
    threshold: number;
    kept: number[];
    keptByClass: number[];
  }[];
  loss: Record<"size" | "classes" | "places" | "classLoss" | "boxLoss", number> &
    Record<
      "logits" | "distances" | "boxes" | "classIds" | "scores" | "logitsGradient" | "distancesGradient",
      number[]
    >;
};

function worst(actual: ArrayLike<number>, expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!))) / largest;
}

describe("boxes on the host", () => {
  it("overlap as torchvision says", () => {
    const { a, b, iou } = golden.overlaps;
    expect(worst(boxIou(Float64Array.from(a), Float64Array.from(b)), iou)).toBeLessThan(1e-6);
  });

  it("are suppressed as by torchvision", () => {
    for (const { boxes, scores, classes, threshold, kept, keptByClass } of golden.suppression) {
      const array = Float32Array.from(boxes);
      expect(nms(array, scores, threshold)).toEqual(kept);
      expect(nms(array, scores, threshold, { classes })).toEqual(keptByClass);
      expect(nms(array, scores, threshold, { limit: 3 })).toEqual(kept.slice(0, 3));
    }
  });
});

describe("boxes on the device", () => {
  beforeAll(async () => {
    await engine.use();
  });

  it("overlap as torchvision says", () => {
    const { a, b, iou, giou } = golden.overlaps;
    const [first, second] = [tf.tensor(a, [6, 1, 4]), tf.tensor(b, [1, 5, 4])];
    expect(worst(overlapOf(first, second).iou.dataSync(), iou)).toBeLessThan(1e-6);
    expect(worst(generalizedIou(first, second).dataSync(), giou)).toBeLessThan(1e-5);
  });
});

describe("the loss of a detector", () => {
  const { size, classes, places } = golden.loss;
  const points = makePoints(size);
  const logits = () => tf.tensor3d(golden.loss.logits, [3, places, classes]);
  const distances = () => tf.tensor3d(golden.loss.distances, [3, places, 4]);
  const truth = () => ({
    boxes: tf.tensor3d(golden.loss.boxes, [3, 4, 4]),
    classIds: tf.tensor2d(golden.loss.classIds, [3, 4], "int32"),
  });
  beforeAll(async () => {
    await engine.use();
  });

  it("gives places the boxes that loops in Python give them", () => {
    expect(points.count).toBe(places);
    const boxes = decodeBoxes(distances(), points) as tf.Tensor3D;
    const { scores, weights } = assignTargets(tf.sigmoid(logits()), boxes, truth(), points);
    expect(worst(scores.dataSync(), golden.loss.scores)).toBeLessThan(1e-4);
    expect(tf.sum(weights).arraySync()).toBeCloseTo(
      golden.loss.scores.reduce((sum, score) => sum + score, 0),
      3,
    );
  });

  it("has PyTorch's values and gradients, and no kernel on the slow path", () => {
    engine.resetStats();
    const parts = detectionLoss({ logits: logits(), distances: distances() }, truth(), points);
    expect(parts.classLoss.arraySync()).toBeCloseTo(golden.loss.classLoss, 4);
    expect(parts.boxLoss.arraySync()).toBeCloseTo(golden.loss.boxLoss, 4);
    const given = truth();
    const gradients = tf.grads(
      (l: tf.Tensor, d: tf.Tensor) =>
        detectionLoss({ logits: l as tf.Tensor3D, distances: d as tf.Tensor3D }, given, points).loss,
    )([logits(), distances()]);
    expect(worst(gradients[0]!.dataSync(), golden.loss.logitsGradient)).toBeLessThan(1e-4);
    expect(worst(gradients[1]!.dataSync(), golden.loss.distancesGradient)).toBeLessThan(1e-4);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("is finite where no picture of a batch shows anything", () => {
    const nothing = { boxes: tf.zeros([3, 4, 4]), classIds: tf.fill([3, 4], -1, "int32") };
    const { loss, boxLoss } = detectionLoss(
      { logits: logits(), distances: distances() },
      nothing as ReturnType<typeof truth>,
      points,
    );
    expect(Number.isFinite(loss.arraySync())).toBe(true);
    expect(boxLoss.arraySync()).toBe(0);
  });
});
