/** Matches the detections of one class in one picture to its true boxes, as COCO's evaluation does. */
import { boxArea, intersection } from "./boxes.js";
import type { DetectedBoxes, TrueBoxes } from "./mean_average_precision.js";

/** Square pixels, both ends included. */
export type AreaRange = readonly [number, number];

/** What a detection is: on a true box, on none, or neither, in a crowd or of a size that is not asked for. */
export type Outcome = "right" | "wrong" | "ignored";

/** The detections that count, best first. */
export interface ImageMatches {
  scores: number[];
  /** For each threshold, of each detection. */
  outcomes: Outcome[][];
  /** True boxes that are to be found. */
  wanted: number;
}

interface MatchOptions {
  classId: number;
  /** True boxes of other areas are ignored, and detections of other areas that match nothing. */
  range: AreaRange;
  /** The most detections that count. */
  limit: number;
  thresholds: readonly number[];
}

interface TrueBox {
  at: number;
  isCrowd: boolean;
  isIgnored: boolean;
}

/** Each detection, best first, takes the free box that it overlaps most; an ignored one only where no other is left. */
export function matchImage(
  detected: DetectedBoxes,
  truth: TrueBoxes,
  { classId, range, limit, thresholds }: MatchOptions,
): ImageMatches {
  const trueBoxes = ofClass(truth.classIds, classId)
    .map((at): TrueBox => {
      const isCrowd = truth.crowd?.[at] === 1;
      const area = truth.areas?.[at] ?? boxArea(truth.boxes, at);
      return { at, isCrowd, isIgnored: isCrowd || isOutside(area, range) };
    })
    .sort((a, b) => Number(a.isIgnored) - Number(b.isIgnored));
  const { scores } = detected;
  const order = ofClass(detected.classIds, classId)
    .sort((i, j) => scores[j]! - scores[i]!)
    .slice(0, limit);
  const overlaps = order.map((i) => trueBoxes.map((box) => overlap(detected, i, truth, box)));
  const isOther = order.map((i) => isOutside(boxArea(detected.boxes, i), range));
  const outcomes = thresholds.map((threshold) => {
    const taken = new Set<TrueBox>();
    return overlaps.map((row, d): Outcome => {
      const match = bestMatch(row, trueBoxes, taken, threshold);
      if (match === undefined) return isOther[d]! ? "ignored" : "wrong";
      taken.add(match);
      return match.isIgnored ? "ignored" : "right";
    });
  });
  return {
    scores: order.map((i) => scores[i]!),
    outcomes,
    wanted: trueBoxes.filter(({ isIgnored }) => !isIgnored).length,
  };
}

function bestMatch(
  overlaps: readonly number[],
  trueBoxes: readonly TrueBox[],
  taken: ReadonlySet<TrueBox>,
  threshold: number,
): TrueBox | undefined {
  let least = Math.min(threshold, 1 - 1e-10);
  let best: TrueBox | undefined;
  for (const [g, box] of trueBoxes.entries()) {
    if (taken.has(box) && !box.isCrowd) continue;
    if (best !== undefined && !best.isIgnored && box.isIgnored) break;
    if (overlaps[g]! < least) continue;
    least = overlaps[g]!;
    best = box;
  }
  return best;
}

/** Intersection over union, or over the detection alone where the box is a crowd's. */
function overlap(detected: DetectedBoxes, i: number, truth: TrueBoxes, { at, isCrowd }: TrueBox): number {
  const shared = intersection(detected.boxes, i, truth.boxes, at);
  const own = boxArea(detected.boxes, i);
  const union = isCrowd ? own : own + boxArea(truth.boxes, at) - shared;
  return union > 0 ? shared / union : 0;
}

function isOutside(area: number, [least, most]: AreaRange): boolean {
  return area < least || area > most;
}

function ofClass(classIds: ArrayLike<number>, classId: number): number[] {
  return Array.from({ length: classIds.length }, (_, i) => i).filter((i) => classIds[i] === classId);
}
