/** Boxes in pixels: formats, overlap and non-maximum suppression. Many boxes are one array, four numbers each. */
import { ConfigurationError, describeChoices } from "../../errors.js";

/** A box in the pixels of its picture: x to the right, y down, both from the upper left corner. */
export interface Box {
  xmin: number;
  ymin: number;
  xmax: number;
  ymax: number;
}

/**
 * What four numbers mean: two corners (`xyxy`), the upper left corner with width and height (`xywh`, as COCO has it), or
 * the middle with width and height (`cxcywh`, as YOLO has it).
 */
export type BoxFormat = "xyxy" | "xywh" | "cxcywh";

/** `[xmin, ymin, xmax, ymax, …]`, four numbers a box. */
export type BoxArray = Float32Array | Float64Array;

const TO_CORNERS: Record<BoxFormat, (a: number, b: number, c: number, d: number) => Box> = {
  xyxy: (xmin, ymin, xmax, ymax) => ({ xmin, ymin, xmax, ymax }),
  xywh: (xmin, ymin, width, height) => ({ xmin, ymin, xmax: xmin + width, ymax: ymin + height }),
  cxcywh: (x, y, width, height) => ({
    xmin: x - width / 2,
    ymin: y - height / 2,
    xmax: x + width / 2,
    ymax: y + height / 2,
  }),
};

/** @throws ConfigurationError `ERR_BOX_FORMAT` */
export function checkBoxFormat(format: string): asserts format is BoxFormat {
  if (Object.hasOwn(TO_CORNERS, format)) return;
  throw new ConfigurationError(
    "ERR_BOX_FORMAT",
    `There is no box format ${JSON.stringify(format)}. ${describeChoices(format, Object.keys(TO_CORNERS))}`,
  );
}

/** A box from four numbers. */
export function boxFrom([a, b, c, d]: readonly [number, number, number, number], format: BoxFormat): Box {
  return TO_CORNERS[format](a, b, c, d);
}

/** The boxes as one array. */
export function boxArray(boxes: readonly Box[]): Float64Array {
  return Float64Array.from(boxes.flatMap(({ xmin, ymin, xmax, ymax }) => [xmin, ymin, xmax, ymax]));
}

/** Square pixels; 0 for a box that is the wrong way round. */
export function boxArea(boxes: BoxArray, i: number): number {
  const at = 4 * i;
  return Math.max(0, boxes[at + 2]! - boxes[at]!) * Math.max(0, boxes[at + 3]! - boxes[at + 1]!);
}

/** Square pixels that two boxes share. */
export function intersection(a: BoxArray, i: number, b: BoxArray, j: number): number {
  const [at, bt] = [4 * i, 4 * j];
  const width = Math.min(a[at + 2]!, b[bt + 2]!) - Math.max(a[at]!, b[bt]!);
  const height = Math.min(a[at + 3]!, b[bt + 3]!) - Math.max(a[at + 1]!, b[bt + 1]!);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Intersection over union of two boxes, 0 to 1; 0 where both are empty. */
export function iou(a: BoxArray, i: number, b: BoxArray, j: number): number {
  const shared = intersection(a, i, b, j);
  const union = boxArea(a, i) + boxArea(b, j) - shared;
  return union > 0 ? shared / union : 0;
}

/** Intersection over union of each box of `a` with each of `b`: [boxes of a, boxes of b], row by row. */
export function boxIou(a: BoxArray, b: BoxArray): Float64Array {
  const [rows, columns] = [a.length / 4, b.length / 4];
  const result = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[i * columns + j] = iou(a, i, b, j);
  }
  return result;
}

/**
 * Non-maximum suppression: the best box stays, and those that overlap it by more than `threshold` go, and so on.
 *
 * @param scores a number for each box
 * @param threshold intersection over union, 0 to 1
 * @param classes where given, a box only suppresses those of its own class
 * @param limit stops when so many are kept. Default: no limit.
 * @returns the numbers of the boxes that stay, best first; of equal scores the earlier
 */
export function nms(
  boxes: BoxArray,
  scores: ArrayLike<number>,
  threshold: number,
  { classes, limit = Infinity }: { classes?: ArrayLike<number>; limit?: number } = {},
): number[] {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((i, j) => scores[j]! - scores[i]!);
  const kept: number[] = [];
  for (const i of order) {
    if (kept.length >= limit) break;
    const isFree = kept.every(
      (j) => (classes !== undefined && classes[i] !== classes[j]) || iou(boxes, i, boxes, j) <= threshold,
    );
    if (isFree) kept.push(i);
  }
  return kept;
}
