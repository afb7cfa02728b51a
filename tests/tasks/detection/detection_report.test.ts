/** What a report of detections says, by hand, and what is drawn of it. */
import { createHash } from "node:crypto";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { DetectionConfusion } from "../../../src/tasks/detection/detection_confusion.js";
import type { DetectionRecord } from "../../../src/tasks/detection/detection_dataset.js";
import { DetectionReporter } from "../../../src/tasks/detection/detection_report.js";
import { detectionSheet, spread } from "../../../src/tasks/detection/detection_sheet.js";
import { drawDetections } from "../../../src/tasks/detection/draw_detections.js";
import { plotPrecisionRecall } from "../../../src/tasks/detection/plot_precision_recall.js";

const record = (boxes: DetectionRecord["boxes"]): DetectionRecord => ({
  image: { data: new Uint8Array(100 * 80 * 3).fill(120), width: 100, height: 80, channels: 3 },
  width: 100,
  height: 80,
  boxes,
});
const box = (xmin: number, ymin: number, xmax: number, ymax: number) => ({ xmin, ymin, xmax, ymax });
const found = (...list: [number[], number, number][]) => ({
  boxes: Float32Array.from(list.flatMap(([edges]) => edges)),
  scores: Float32Array.from(list, ([, score]) => score),
  classIds: Int32Array.from(list, ([, , classId]) => classId),
});

/** A cat and a dog, both found, the dog as a cat; another cat missed; something where nothing is; and one in a crowd. */
const PICTURE = record([
  { ...box(0, 0, 20, 20), classId: 0 },
  { ...box(40, 0, 60, 20), classId: 1 },
  { ...box(0, 50, 20, 70), classId: 0 },
  { ...box(60, 40, 100, 80), classId: 1, crowd: true },
]);
const DETECTED = found(
  [[0, 0, 20, 20], 0.9, 0],
  [[41, 0, 61, 20], 0.8, 0],
  [[25, 50, 35, 60], 0.7, 1],
  [[70, 50, 80, 60], 0.6, 1],
  [[0, 50, 20, 70], 0.1, 0],
);

describe("a report of detections", () => {
  it("counts which classes are taken for which, and for nothing", () => {
    const { matrix } = new DetectionConfusion(2, 0.3).update(DETECTED, {
      boxes: Float32Array.from(
        PICTURE.boxes.flatMap(({ xmin, ymin, xmax, ymax }) => [xmin, ymin, xmax, ymax]),
      ),
      classIds: [0, 1, 0, 1],
      crowd: [0, 0, 0, 1],
    });
    expect(matrix).toEqual([
      [1, 0, 1],
      [1, 0, 0],
      [0, 1, 0],
    ]);
  });

  it("gives a detection that overlaps two true boxes to the one it overlaps most, and each box one detection", () => {
    const truth = { boxes: Float32Array.of(0, 0, 20, 20, 4, 0, 24, 20), classIds: [0, 1] };
    const detected = found([[4, 0, 24, 20], 0.9, 0], [[5, 0, 25, 20], 0.95, 0]);
    expect(new DetectionConfusion(2, 0.3).update(detected, truth).matrix).toEqual([
      [1, 0, 0],
      [1, 0, 0],
      [0, 0, 0],
    ]);
  });

  it("has COCO's numbers for each class, curves and the confusion matrix", () => {
    const reporter = new DetectionReporter(["cat", "dog"]);
    reporter.update(DETECTED, PICTURE);
    const report = reporter.finish();
    expect(report.confusionLabels).toEqual(["cat", "dog", "background"]);
    expect(report.confusionMatrix[1]).toEqual([1, 0, 0]);
    expect(report.perClass.map(({ label, support }) => [label, support])).toEqual([
      ["cat", 2],
      ["dog", 1],
    ]);
    // Right, wrong, right: 51 recalls at precision 1 and 50 at 2/3.
    expect(report.perClass[0]!.ap50).toBeCloseTo((51 + (50 * 2) / 3) / 101, 10);
    expect(report.perClass[0]!.recall).toBe(1);
    expect(report.perClass[1]!.ap50).toBe(0);
    expect(report.curves.iou75[0]!.precision[30]).toBe(1);
    expect(() => new DetectionReporter(["cat"], { threshold: 3 })).toThrow(/`threshold`/);
  });

  it("is drawn: a curve of each class, the same on every machine", async () => {
    const reporter = new DetectionReporter(["cat", "dog"]);
    reporter.update(DETECTED, PICTURE);
    const { curves } = reporter.finish();
    const options = { curves: curves.iou50, labels: ["cat", "dog"], title: "at an overlap of 0.5" };
    const plot = await plotPrecisionRecall(options);
    const { data, info } = await sharp(plot).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    // At a recall of 0.25 the cats' curve is at precision 1, and at 0.75 it is at 2/3.
    const colorAt = (recall: number, precision: number) => {
      const [x, y] = [Math.round(64 + recall * 440), Math.round(464 - precision * 420)];
      return [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
    };
    for (const point of [colorAt(0.25, 1), colorAt(0.75, 2 / 3)]) {
      expect(point[2]! - point[0]!).toBeGreaterThan(80);
    }
    const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    expect(hash(await plotPrecisionRecall(options))).toBe(hash(plot));
    await expect(plotPrecisionRecall({ curves: [], labels: [] })).rejects.toMatchObject({
      code: "ERR_PRECISION_RECALL",
    });
  });
});

describe("a sheet of detections", () => {
  it("shows each picture with what is true and what is found, and whether that is all", async () => {
    const detected = { ...DETECTED, boxes: DETECTED.boxes };
    const whole = found([[0, 0, 20, 20], 0.9, 0]);
    const records = [PICTURE, record([{ ...box(0, 0, 20, 20), classId: 0 }])];
    const sheet = await detectionSheet(
      { records, detected: [detected, whole], labels: ["cat", "dog"] },
      { tileSize: 200 },
    );
    const { width, height } = await sharp(sheet).metadata();
    expect(width).toBe(2 * 214 + 14);
    expect(height).toBeGreaterThan(200);
    const { data } = await sharp(sheet).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    // The frame of a tile is red where something is missing or wrong, and green where all is right.
    const colorAt = (x: number, y: number) => [
      ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
    ];
    expect(colorAt(15, 100)).toEqual([0xd1, 0x31, 0x3d]);
    expect(colorAt(229, 100)).toEqual([0x1a, 0x8f, 0x4c]);
  });

  it("takes pictures at equal distances", () => {
    expect(spread([0, 1, 2, 3, 4, 5, 6], 3)).toEqual([0, 2, 4]);
    expect(spread([0, 1], 5)).toEqual([0, 1]);
  });

  it("draws true boxes in one colour below the others", async () => {
    const drawn = await drawDetections(PICTURE.image, [], { truth: [box(30, 30, 70, 60)] });
    const { data } = await sharp(drawn).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const colors = new Set<string>();
    for (let x = 30; x < 70; x++)
      colors.add([...data.subarray((30 * 100 + x) * 3, (30 * 100 + x) * 3 + 3)].join());
    expect(colors).toContain("0,200,83");
  });
});
