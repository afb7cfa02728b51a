/** Precision over recall, beside what scikit-learn's documentation and the definitions give. */
import { expect, it } from "vitest";
import { classificationReport } from "../../src/tasks/classification_report.js";
import { precisionRecallCurve } from "../../src/tasks/precision_recall.js";

it("has the average precision of scikit-learn's example", () => {
  // sklearn.metrics.average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) is 0.8333.
  const { averagePrecision, precision } = precisionRecallCurve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]);
  expect(averagePrecision).toBeCloseTo(0.8333333, 6);
  expect(precision).toHaveLength(101);
  // The first found is right; for the second half of the recall, one of three is wrong.
  expect([precision[0], precision[50], precision[51], precision[100]]).toEqual([1, 1, 2 / 3, 2 / 3]);
});

it("takes samples of the same score together", () => {
  // One threshold finds all three, of which one is right, in whatever order they stand.
  for (const wanted of [
    [1, 0, 0],
    [0, 0, 1],
  ]) {
    expect(precisionRecallCurve([0.5, 0.5, 0.5], wanted).averagePrecision).toBeCloseTo(1 / 3, 12);
  }
});

it("is the best that a threshold with at least that recall has", () => {
  // Wrong, right, right: precision 0, 1/2, 2/3.
  const { precision } = precisionRecallCurve([0.9, 0.8, 0.7], [0, 1, 1]);
  expect(new Set(precision)).toEqual(new Set([2 / 3]));
});

it("is 0 for a class without samples", () => {
  expect(precisionRecallCurve([0.3], [0])).toEqual({
    averagePrecision: 0,
    precision: new Array(101).fill(0),
  });
});

it("comes with a report, as the bins do of which the calibration error is made", () => {
  const report = classificationReport({
    samples: [0, 1, 2, 3],
    logits: [
      [2, 0],
      [2, 0],
      [0, 2],
      [2, 0],
    ],
    classes: [["a"], ["a"], ["b"], ["b"]],
    labels: ["a", "b"],
    multiLabel: false,
  });
  const confidence = 1 / (1 + Math.exp(-2));
  expect(report.calibration).toEqual([
    { confidence: expect.closeTo(confidence, 12) as number, accuracy: 0.75, count: 4 },
  ]);
  expect(report.calibrationError).toBeCloseTo(confidence - 0.75, 12);
  expect(report.curves.map(({ averagePrecision }) => averagePrecision)).toEqual([
    expect.closeTo(2 / 3, 12),
    expect.closeTo(0.5 + 0.5 * 0.5, 12),
  ]);
});
