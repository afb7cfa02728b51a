/** YOLOX's loss and assignment against loops in Python and PyTorch's autograd. */
import * as tf from "@tensorflow/tfjs-core";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../../src/engine/index.js";
import { assignYoloxTargets } from "../../../src/tasks/detection/imported/assign_yolox_targets.js";
import { decodeYoloxBoxes, makeYoloxGrid } from "../../../src/tasks/detection/imported/yolox_grid.js";
import { yoloxLoss } from "../../../src/tasks/detection/imported/yolox_loss.js";

const path = join(import.meta.dirname, "../../golden/detection_imported.json");
const { yoloxLoss: golden } = JSON.parse(readFileSync(path, "utf8")) as {
  yoloxLoss: Record<"size" | "classes" | "loss" | "boxLoss" | "classLoss", number> &
    Record<
      | "logits"
      | "objectness"
      | "raw"
      | "boxes"
      | "classIds"
      | "matched"
      | "logitsGradient"
      | "objectnessGradient"
      | "rawGradient",
      number[]
    >;
};

function worst(actual: ArrayLike<number>, expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!))) / largest;
}

describe("the loss of YOLOX", () => {
  const grid = makeYoloxGrid(golden.size, [8, 16, 32]);
  const output = () => ({
    logits: tf.tensor3d(golden.logits, [2, grid.count, golden.classes]),
    objectness: tf.tensor3d(golden.objectness, [2, grid.count, 1]),
    boxes: tf.tensor3d(golden.raw, [2, grid.count, 4]),
  });
  const truth = () => ({
    boxes: tf.tensor3d(golden.boxes, [2, 4, 4]),
    classIds: tf.tensor2d(golden.classIds, [2, 4], "int32"),
  });
  beforeAll(async () => {
    await engine.use();
  });

  it("gives places the boxes that loops in Python give them", () => {
    const { logits, objectness, boxes } = output();
    const scores = {
      classes: tf.sigmoid<tf.Tensor3D>(logits),
      objectness: tf.sigmoid<tf.Tensor3D>(objectness),
    };
    const targets = assignYoloxTargets({ ...scores, boxes: decodeYoloxBoxes(boxes, grid) }, truth(), grid);
    const expected = golden.matched.flatMap((row, place) => {
      const picture = Math.floor(place / grid.count);
      return row < 0
        ? [0, 0, 0, 0]
        : golden.boxes.slice((picture * 4 + row) * 4, (picture * 4 + row) * 4 + 4);
    });
    expect([...targets.assigned.dataSync()]).toEqual(golden.matched.map((row) => (row < 0 ? 0 : 1)));
    expect([...targets.boxes.dataSync()]).toEqual(expected);
  });

  it("has PyTorch's values and gradients, and no kernel on the slow path", () => {
    engine.resetStats();
    const { loss, boxLoss, classLoss } = yoloxLoss(output(), truth(), grid);
    expect(loss.arraySync()).toBeCloseTo(golden.loss, 4);
    expect(boxLoss.arraySync()).toBeCloseTo(golden.boxLoss, 5);
    expect(classLoss.arraySync()).toBeCloseTo(golden.classLoss, 4);
    const { logits, objectness, boxes } = output();
    const given = truth();
    const gradients = tf.grads(
      (l: tf.Tensor, o: tf.Tensor, b: tf.Tensor) =>
        yoloxLoss(
          { logits: l as tf.Tensor3D, objectness: o as tf.Tensor3D, boxes: b as tf.Tensor3D },
          given,
          grid,
        ).loss,
    )([logits, objectness, boxes]);
    const expected = [golden.logitsGradient, golden.objectnessGradient, golden.rawGradient];
    gradients.forEach((gradient, i) => expect(worst(gradient.dataSync(), expected[i]!)).toBeLessThan(1e-4));
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("is finite where no picture of a batch shows anything", () => {
    const nothing = { ...truth(), classIds: tf.fill<tf.Rank.R2>([2, 4], -1, "int32") };
    const { loss, boxLoss } = yoloxLoss(output(), nothing, grid);
    expect(Number.isFinite(loss.arraySync())).toBe(true);
    expect(boxLoss.arraySync()).toBe(0);
  });
});
