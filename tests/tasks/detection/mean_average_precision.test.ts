import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  MeanAveragePrecision,
  type DetectedBoxes,
  type MeanAveragePrecisionResult,
  type TrueBoxes,
} from "../../../src/tasks/detection/mean_average_precision.js";

const path = join(import.meta.dirname, "../../golden/mean_average_precision.json");
const golden = JSON.parse(readFileSync(path, "utf8")) as number[][];
const NAMES = "map map50 map75 mapSmall mapMedium mapLarge mar1 mar10 mar100 marSmall marMedium marLarge";

/** The generator of `make_mean_average_precision.py`. */
function numbers(seed: number): (bound: number) => number {
  let state = BigInt(seed);
  return (bound) => {
    state = (state * 1664525n + 1013904223n) % 2n ** 32n;
    return Number((state * BigInt(bound)) >> 32n);
  };
}

type Corners = [number, number, number, number];

/** The same case as in Python. */
function makeCase(seed: number): { numClasses: number; detected: DetectedBoxes[]; truth: TrueBoxes[] } {
  const below = numbers(seed);
  const numClasses = 1 + below(3);
  const detected: DetectedBoxes[] = [];
  const truth: TrueBoxes[] = [];
  for (let images = 1 + below(4); images > 0; images--) {
    const boxes: { box: Corners; classId: number; crowd: number }[] = [];
    for (let count = below(6); count > 0; count--) {
      const size = [20, 60, 160][below(3)]!;
      const [x, y, w, h] = [below(200), below(200), 4 + below(size), 4 + below(size)];
      boxes.push({
        box: [x, y, x + w, y + h],
        classId: below(numClasses),
        crowd: below(8) === 0 ? 1 : 0,
      });
    }
    const found: { box: Corners; classId: number; score: number }[] = [];
    for (const { box, classId } of boxes) {
      for (let count = below(3); count > 0; count--) {
        const moved = box.map((edge) => edge + below(9) - 4) as Corners;
        const isOther = below(5) === 0;
        found.push({ box: moved, classId: isOther ? below(numClasses) : classId, score: below(11) / 10 });
      }
    }
    for (let count = below(4); count > 0; count--) {
      const [x, y, w, h] = [below(200), below(200), 1 + below(150), 1 + below(150)];
      found.push({ box: [x, y, x + w, y + h], classId: below(numClasses), score: below(11) / 10 });
    }
    truth.push({
      boxes: Float64Array.from(boxes.flatMap(({ box }) => box)),
      classIds: boxes.map(({ classId }) => classId),
      crowd: boxes.map(({ crowd }) => crowd),
    });
    detected.push({
      boxes: Float64Array.from(found.flatMap(({ box }) => box)),
      classIds: found.map(({ classId }) => classId),
      scores: found.map(({ score }) => score),
    });
  }
  return { numClasses, detected, truth };
}

describe("MeanAveragePrecision", () => {
  it("gives the numbers of an implementation in numpy for 1,000 random cases", () => {
    expect(golden).toHaveLength(1000);
    golden.forEach((expected, seed) => {
      const { numClasses, detected, truth } = makeCase(seed);
      const metric = new MeanAveragePrecision({ numClasses });
      metric.update(detected, truth);
      const result = metric.compute();
      const actual = NAMES.split(" ").map(
        (name) => result[name as keyof MeanAveragePrecisionResult] as number,
      );
      const worst = Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)));
      expect(worst, `case ${seed}: ${actual.join()} for ${expected.join()}`).toBeLessThan(1e-9);
    });
  });

  it("fits a case computed by hand", () => {
    // Two true boxes. The surest detection fits the first exactly, the next is beside everything, the last has an overlap
    // of 0.6 with the second: precision 1 up to a recall of 1/2, then 2/3 where 0.6 is enough.
    const metric = new MeanAveragePrecision({ numClasses: 1 });
    metric.update(
      [
        {
          boxes: new Float32Array([0, 0, 10, 10, 50, 50, 60, 60, 20, 0, 30, 6]),
          scores: [0.9, 0.8, 0.7],
          classIds: [0, 0, 0],
        },
      ],
      [{ boxes: new Float32Array([0, 0, 10, 10, 20, 0, 30, 10]), classIds: [0, 0] }],
    );
    const both = (51 + 50 * (2 / 3)) / 101;
    const one = 51 / 101;
    const { map, map50, map75, mar1, mar100 } = metric.compute();
    expect(map50).toBeCloseTo(both, 12);
    expect(map75).toBeCloseTo(one, 12);
    expect(map).toBeCloseTo((3 * both + 7 * one) / 10, 12);
    expect(mar1).toBeCloseTo(0.5, 12);
    expect(mar100).toBeCloseTo((3 * 1 + 7 * 0.5) / 10, 12);
    const [curve] = metric.curves(0.5);
    expect([curve!.precision[50], curve!.precision[51], curve!.scores[100]]).toEqual([1, 2 / 3, 0.7]);
  });

  it("gives -1 where there is nothing to find, and forgets", () => {
    const metric = new MeanAveragePrecision({ numClasses: 2 });
    expect(metric.compute()).toMatchObject({ map: -1, mar100: -1, mapPerClass: [-1, -1] });
    const box = new Float32Array([0, 0, 4, 4]);
    metric.update([{ boxes: box, scores: [1], classIds: [1] }], [{ boxes: box, classIds: [1] }]);
    expect(metric.compute()).toMatchObject({ map: 1, mapLarge: -1, map50PerClass: [-1, 1] });
    metric.reset();
    expect(metric.compute().map).toBe(-1);
  });

  it.each([
    [
      "a class that does not exist",
      () => {
        const metric = new MeanAveragePrecision({ numClasses: 1 });
        metric.update(
          [{ boxes: new Float32Array(4), scores: [1], classIds: [1] }],
          [{ boxes: new Float32Array(), classIds: [] }],
        );
      },
      /The detections of picture 0 have the class 1; classes are 0 to 0/,
    ],
    [
      "a score that is not a number",
      () => {
        const metric = new MeanAveragePrecision({ numClasses: 1 });
        metric.update(
          [{ boxes: new Float32Array(4), scores: [NaN], classIds: [0] }],
          [{ boxes: new Float32Array(), classIds: [] }],
        );
      },
      /the score NaN/,
    ],
    [
      "thresholds in percent",
      () => new MeanAveragePrecision({ numClasses: 1, iouThresholds: [50] }),
      /not \[50\]/,
    ],
  ])("refuses %s", (_, act, message) => {
    expect(act).toThrow(message);
  });
});
