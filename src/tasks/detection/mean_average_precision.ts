/** MeanAveragePrecision: how well detections fit the true boxes, with COCO's definitions. */
import { ConfigurationError, DataError } from "../../errors.js";
import { matchImage, type AreaRange, type ImageMatches } from "./match_detections.js";
import type { BoxArray } from "./boxes.js";

/** What was found in one picture. */
export interface DetectedBoxes {
  /** [xmin, ymin, xmax, ymax] of each, in pixels. */
  boxes: BoxArray;
  /** 0 to 1, the higher the surer. */
  scores: ArrayLike<number>;
  /** 0 to classes - 1. */
  classIds: ArrayLike<number>;
}

/** What there is to find in one picture. */
export interface TrueBoxes {
  /** [xmin, ymin, xmax, ymax] of each, in pixels. */
  boxes: BoxArray;
  /** 0 to classes - 1. */
  classIds: ArrayLike<number>;
  /** 1 for a box around a crowd: whatever lies in it is neither right nor wrong. Default: none. */
  crowd?: ArrayLike<number>;
  /** Square pixels that decide between small, medium and large, where those are not the boxes' own. */
  areas?: ArrayLike<number>;
}

/** Options of `MeanAveragePrecision`. */
export interface MeanAveragePrecisionOptions {
  /** At least 1. */
  numClasses: number;
  /** Overlaps from which a detection counts as right. Default: 0.5, 0.55, … 0.95. */
  iouThresholds?: readonly number[];
  /** The most detections of a class in a picture that count, ascending. Default: 1, 10, 100. */
  maxDetections?: readonly [number, number, number];
}

/** Numbers between 0 and 1, or -1 where there is nothing to find. Names are those of torchmetrics. */
export interface MeanAveragePrecisionResult {
  /** COCO's AP: the mean over classes and overlaps. */
  map: number;
  /** At an overlap of 0.5; -1 if that is not among `iouThresholds`. */
  map50: number;
  /** At 0.75. */
  map75: number;
  /** Of boxes below 32² pixels. */
  mapSmall: number;
  /** From 32² to 96². */
  mapMedium: number;
  /** Above 96². */
  mapLarge: number;
  /** Average recall with the first number of `maxDetections`, and so on. */
  mar1: number;
  mar10: number;
  mar100: number;
  marSmall: number;
  marMedium: number;
  marLarge: number;
  /** `map` of each class. */
  mapPerClass: number[];
  /** `map50` of each class. */
  map50PerClass: number[];
  /** `mar100` of each class. */
  marPerClass: number[];
}

/** Precision at 101 recalls from 0 to 1, for one class at one overlap. */
export interface PrecisionRecallCurve {
  precision: Float64Array;
  /** The score from which detections count to reach that recall; 0 where it is never reached. */
  scores: Float64Array;
}

const ALL: AreaRange = [0, 1e10];
const SIZES: Record<"Small" | "Medium" | "Large", AreaRange> = {
  Small: [0, 32 ** 2],
  Medium: [32 ** 2, 96 ** 2],
  Large: [96 ** 2, 1e10],
};
/** As COCO computes them: some are a little above i / 100, and a recall of exactly that does not reach them. */
const RECALLS = Float64Array.from({ length: 101 }, (_, i) => i * 0.01);
const COCO_THRESHOLDS = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

/**
 * COCO's average precision and recall (https://cocodataset.org/#detection-eval). Detections are matched to true boxes
 * class by class, best score first, each to the free box that it overlaps most; precision is taken at 101 recalls.
 *
 * @example
 * const metric = new MeanAveragePrecision({ numClasses: 2 });
 * metric.update(
 *   [{ boxes: new Float32Array([10, 10, 50, 50]), scores: [0.9], classIds: [1] }],
 *   [{ boxes: new Float32Array([12, 8, 50, 50]), classIds: [1] }],
 * );
 * metric.compute().map50; // 1
 */
export class MeanAveragePrecision {
  readonly numClasses: number;
  readonly iouThresholds: readonly number[];
  readonly maxDetections: readonly [number, number, number];
  readonly #images: { detected: DetectedBoxes; truth: TrueBoxes }[] = [];

  /** @throws ConfigurationError `ERR_METRIC_OPTION` */
  constructor(options: MeanAveragePrecisionOptions) {
    const { numClasses, iouThresholds = COCO_THRESHOLDS, maxDetections = [1, 10, 100] } = options;
    this.numClasses = numClasses;
    this.iouThresholds = iouThresholds;
    this.maxDetections = maxDetections;
    requireOption(
      Number.isInteger(numClasses) && numClasses >= 1,
      "numClasses",
      "a whole number from 1 on",
      numClasses,
    );
    requireOption(
      iouThresholds.length > 0 && iouThresholds.every((threshold) => threshold > 0 && threshold <= 1),
      "iouThresholds",
      "numbers above 0 and up to 1",
      iouThresholds,
    );
    requireOption(
      maxDetections.every((count, i) => Number.isInteger(count) && count > (maxDetections[i - 1] ?? 0)),
      "maxDetections",
      "three whole numbers, ascending",
      maxDetections,
    );
  }

  /**
   * @param detected of each picture, in any order
   * @param truth of the same pictures
   * @throws DataError `ERR_DETECTIONS` where lengths do not fit, a class does not exist or a score is not a number
   */
  update(detected: readonly DetectedBoxes[], truth: readonly TrueBoxes[]): void {
    if (detected.length !== truth.length) {
      throw new DataError(
        "ERR_DETECTIONS",
        `There are detections of ${detected.length} pictures and true boxes of ${truth.length}.`,
      );
    }
    detected.forEach((found, i) => {
      const number = this.#images.length + i;
      check(`The detections of picture ${number}`, found, this.numClasses, found.scores);
      check(`The true boxes of picture ${number}`, truth[i]!, this.numClasses);
    });
    detected.forEach((found, i) => this.#images.push({ detected: found, truth: truth[i]! }));
  }

  /** All numbers over the pictures so far. */
  compute(): MeanAveragePrecisionResult {
    const [few, some, most] = this.maxDetections;
    const all = this.#evaluate(ALL, most);
    const bySize = Object.fromEntries(
      Object.entries(SIZES).flatMap(([name, range]) => {
        const { precision, recall } = this.#evaluate(range, most);
        return [
          [`map${name}`, meanKnown(precision.flat().flatMap((curve) => [...curve.precision]))],
          [`mar${name}`, meanKnown(recall.flat())],
        ];
      }),
    ) as Pick<
      MeanAveragePrecisionResult,
      "mapSmall" | "marSmall" | "mapMedium" | "marMedium" | "mapLarge" | "marLarge"
    >;
    const averages = all.precision.map((curves) => curves.map(({ precision }) => meanKnown(precision)));
    const at = (threshold: number): number[] => {
      const t = this.iouThresholds.indexOf(threshold);
      return averages.map((ofClass) => (t < 0 ? -1 : ofClass[t]!));
    };
    return {
      map: meanKnown(averages.flat()),
      map50: meanKnown(at(0.5)),
      map75: meanKnown(at(0.75)),
      ...bySize,
      mar1: meanKnown(this.#evaluate(ALL, few).recall.flat()),
      mar10: meanKnown(this.#evaluate(ALL, some).recall.flat()),
      mar100: meanKnown(all.recall.flat()),
      mapPerClass: averages.map(meanKnown),
      map50PerClass: at(0.5),
      marPerClass: all.recall.map(meanKnown),
    };
  }

  /**
   * The precision-recall curve of each class at one overlap.
   *
   * @param threshold one of `iouThresholds`
   * @throws ConfigurationError `ERR_METRIC_OPTION`
   */
  curves(threshold = 0.5): PrecisionRecallCurve[] {
    const t = this.iouThresholds.indexOf(threshold);
    requireOption(t >= 0, "threshold", `one of ${this.iouThresholds.join(", ")}`, threshold);
    return this.#evaluate(ALL, this.maxDetections[2]).precision.map((curves) => curves[t]!);
  }

  /** Forgets all pictures. */
  reset(): void {
    this.#images.length = 0;
  }

  /** Curves [class][threshold] and recalls likewise; -1 where a class has nothing to find. */
  #evaluate(range: AreaRange, limit: number): { precision: PrecisionRecallCurve[][]; recall: number[][] } {
    const precision: PrecisionRecallCurve[][] = [];
    const recall: number[][] = [];
    for (let classId = 0; classId < this.numClasses; classId++) {
      const matches = this.#images.map(({ detected, truth }) =>
        matchImage(detected, truth, { classId, range, limit, thresholds: this.iouThresholds }),
      );
      const curves = this.iouThresholds.map((_, t) => curveOf(matches, t));
      precision.push(curves);
      recall.push(curves.map(({ recall }) => recall));
    }
    return { precision, recall };
  }
}

function curveOf(matches: readonly ImageMatches[], t: number): PrecisionRecallCurve & { recall: number } {
  const precision = new Float64Array(RECALLS.length).fill(-1);
  const scores = new Float64Array(RECALLS.length).fill(-1);
  const wanted = matches.reduce((sum, { wanted }) => sum + wanted, 0);
  if (wanted === 0) return { precision, scores, recall: -1 };
  const counted = matches
    .flatMap(({ scores, outcomes }) => scores.map((score, i) => ({ score, outcome: outcomes[t]![i]! })))
    .sort((a, b) => b.score - a.score)
    .filter(({ outcome }) => outcome !== "ignored");
  let right = 0;
  const points = counted.map(({ score, outcome }, i) => {
    if (outcome === "right") right++;
    return { score, recall: right / wanted, precision: right / (i + 1) };
  });
  for (let i = points.length - 2; i >= 0; i--) {
    points[i]!.precision = Math.max(points[i]!.precision, points[i + 1]!.precision);
  }
  let at = 0;
  RECALLS.forEach((recall, i) => {
    while (at < points.length && points[at]!.recall < recall) at++;
    precision[i] = points[at]?.precision ?? 0;
    scores[i] = points[at]?.score ?? 0;
  });
  return { precision, scores, recall: right / wanted };
}

/** The mean of what is not -1; -1 where nothing is left. */
function meanKnown(values: ArrayLike<number>): number {
  const known = Array.from(values).filter((value) => value > -1);
  return known.length === 0 ? -1 : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function check(
  what: string,
  { boxes, classIds }: TrueBoxes,
  numClasses: number,
  scores?: ArrayLike<number>,
): void {
  const refuse = (problem: string): never => {
    throw new DataError("ERR_DETECTIONS", `${what} ${problem}.`);
  };
  const count = classIds.length;
  if (boxes.length !== 4 * count)
    refuse(`have ${count} classes, but ${boxes.length} numbers of boxes, four a box`);
  if (scores !== undefined && scores.length !== count)
    refuse(`have ${count} classes, but ${scores.length} scores`);
  for (let i = 0; i < count; i++) {
    if (!(Number.isInteger(classIds[i]) && classIds[i]! >= 0 && classIds[i]! < numClasses))
      refuse(`have the class ${classIds[i]}; classes are 0 to ${numClasses - 1}`);
    if (scores !== undefined && !Number.isFinite(scores[i])) refuse(`have the score ${scores[i]}`);
  }
  if (!boxes.every(Number.isFinite)) refuse("have a box that is not four finite numbers");
}

function requireOption(isMet: boolean, name: string, expected: string, came: unknown): void {
  if (isMet) return;
  throw new ConfigurationError(
    "ERR_METRIC_OPTION",
    `MeanAveragePrecision: \`${name}\` must be ${expected}, not ${JSON.stringify(came)}.`,
  );
}
