/** From what a detector says of all places to the boxes that it finds. */
import type { Size } from "../../data/index.js";
import { unplacePoint } from "../../data/image/placement.js";
import { ConfigurationError } from "../../errors.js";
import { nms, type Box } from "./boxes.js";
import { placeInSquare, type LetterboxStyle } from "./letterbox.js";

/** One thing that was found. */
export interface Detection {
  label: string;
  /** 0 to 1. */
  score: number;
  classId: number;
  /** In the pixels of the picture. */
  box: Box;
}

/** Which detections count. */
export interface DetectionOptions {
  /** The least score, 0 to 1. Default: 0.3. */
  threshold?: number;
  /** Of two boxes of a class that overlap by more (intersection over union, 0 to 1) the better stays. Default: 0.6. */
  iou?: number;
  /** The most detections of a picture. Default: 100. */
  maxDetections?: number;
}

/** Boxes of one picture that may be found, best first. */
export interface Candidates {
  /** [xmin, ymin, xmax, ymax] of each, in pixels. */
  boxes: Float32Array;
  scores: Float32Array;
  classIds: Int32Array;
}

/** So many places go into the suppression at most. */
export const MOST_CANDIDATES = 1000;

/** With the defaults. */
export function resolveDetectionOptions(options: DetectionOptions): Required<DetectionOptions> {
  const { threshold = 0.3, iou = 0.6, maxDetections = 100 } = options;
  return { threshold, iou, maxDetections };
}

/**
 * The detections of one picture.
 *
 * @param scores 0 to 1, [places, classes]
 * @param boxes in pixels of the input, [places, 4]
 */
export function selectDetections(
  scores: Float32Array,
  boxes: Float32Array,
  options: DetectionOptions = {},
): Candidates {
  const { threshold, iou, maxDetections } = resolveDetectionOptions(options);
  const numClasses = scores.length / (boxes.length / 4);
  const above: number[] = [];
  scores.forEach((score, i) => {
    if (score >= threshold) above.push(i);
  });
  above.sort((i, j) => scores[j]! - scores[i]!);
  const best = take(scores, boxes, numClasses, above.slice(0, MOST_CANDIDATES));
  const kept = nms(best.boxes, best.scores, iou, { classes: best.classIds, limit: maxDetections });
  return {
    boxes: Float32Array.from(kept.flatMap((i) => [...best.boxes.subarray(4 * i, 4 * i + 4)])),
    scores: Float32Array.from(kept, (i) => best.scores[i]!),
    classIds: Int32Array.from(kept, (i) => best.classIds[i]!),
  };
}

function take(
  scores: Float32Array,
  boxes: Float32Array,
  numClasses: number,
  chosen: readonly number[],
): Candidates {
  const taken = new Float32Array(4 * chosen.length);
  chosen.forEach((i, at) => {
    const place = Math.floor(i / numClasses);
    taken.set(boxes.subarray(4 * place, 4 * place + 4), 4 * at);
  });
  return {
    boxes: taken,
    scores: Float32Array.from(chosen, (i) => scores[i]!),
    classIds: Int32Array.from(chosen, (i) => i % numClasses),
  };
}

/** The square that a picture was brought to. */
export interface Letterboxed {
  /** In pixels. */
  imageSize: number;
  letterbox: LetterboxStyle;
}

/** Boxes from pixels of the letterboxed input to pixels of the picture, cut off at its edges. */
export function inPicture(
  candidates: Candidates,
  picture: Size,
  { imageSize, letterbox }: Letterboxed,
): Candidates {
  const placement = placeInSquare(picture, imageSize, letterbox);
  const boxes = candidates.boxes.slice();
  for (let i = 0; i < boxes.length; i += 2) {
    const [x, y] = unplacePoint([boxes[i]!, boxes[i + 1]!], placement);
    boxes[i] = Math.min(picture.width, Math.max(0, x));
    boxes[i + 1] = Math.min(picture.height, Math.max(0, y));
  }
  return { ...candidates, boxes };
}

/** Detections with the names of their classes. */
export function nameDetections(
  { boxes, scores, classIds }: Candidates,
  labels: readonly string[],
): Detection[] {
  return Array.from(scores, (score, i) => {
    const [xmin, ymin, xmax, ymax] = boxes.subarray(4 * i, 4 * i + 4) as unknown as number[];
    const classId = classIds[i]!;
    return {
      label: labels[classId]!,
      score,
      classId,
      box: { xmin: xmin!, ymin: ymin!, xmax: xmax!, ymax: ymax! },
    };
  });
}

/** @throws ConfigurationError `ERR_DETECTION_OPTION` */
export function checkDetectionOptions({ threshold = 0, iou = 1, maxDetections = 1 }: DetectionOptions): void {
  for (const [name, value] of Object.entries({ threshold, iou })) {
    if (!(value >= 0 && value <= 1))
      throw new ConfigurationError(
        "ERR_DETECTION_OPTION",
        `\`${name}\` is a number from 0 to 1, not ${value}.`,
      );
  }
  if (Number.isInteger(maxDetections) && maxDetections > 0) return;
  throw new ConfigurationError(
    "ERR_DETECTION_OPTION",
    `\`maxDetections\` is a positive whole number, not ${maxDetections}.`,
  );
}
