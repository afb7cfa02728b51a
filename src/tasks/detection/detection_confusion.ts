/** Which classes are taken for which, and for nothing: the confusion matrix of detections. */
import { boxArea, intersection, iou } from "./boxes.js";
import type { DetectedBoxes, TrueBoxes } from "./mean_average_precision.js";

/** From this overlap on a detection is of a true box, whatever its class. */
const LEAST_OVERLAP = 0.5;

/** Counts of a picture, or of many. */
export class DetectionConfusion {
  /** `matrix[target][prediction]`; the last row and column stand for the background. */
  readonly matrix: number[][];
  readonly #threshold: number;

  /** @param threshold the least score of a detection that counts */
  constructor(numClasses: number, threshold: number) {
    const size = numClasses + 1;
    this.matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
    this.#threshold = threshold;
  }

  /**
   * The pairs of true boxes and detections that overlap by half and more belong together, those that overlap most first, each
   * once. A true box without a detection is taken for the background, a detection without a true box was found in it, unless
   * it lies in a crowd.
   */
  update(detected: DetectedBoxes, truth: TrueBoxes): this {
    const background = this.matrix.length - 1;
    const found = numbers(detected.classIds.length, (d) => detected.scores[d]! >= this.#threshold);
    const isCrowd = (t: number): boolean => truth.crowd?.[t] === 1;
    const wanted = numbers(truth.classIds.length, (t) => !isCrowd(t));
    const crowds = numbers(truth.classIds.length, isCrowd);
    const pairs = wanted
      .flatMap((t) => found.map((d) => ({ t, d, overlap: iou(truth.boxes, t, detected.boxes, d) })))
      .filter(({ overlap }) => overlap >= LEAST_OVERLAP)
      .sort((a, b) => b.overlap - a.overlap);
    const [isFound, isRight] = [new Set<number>(), new Set<number>()];
    for (const { t, d } of pairs) {
      if (isFound.has(t) || isRight.has(d)) continue;
      isFound.add(t);
      isRight.add(d);
      this.matrix[truth.classIds[t]!]![detected.classIds[d]!]!++;
    }
    for (const t of wanted) if (!isFound.has(t)) this.matrix[truth.classIds[t]!]![background]!++;
    for (const d of found) {
      const liesIn = (t: number): boolean => {
        const own = boxArea(detected.boxes, d);
        return own > 0 && intersection(detected.boxes, d, truth.boxes, t) / own >= LEAST_OVERLAP;
      };
      if (!isRight.has(d) && !crowds.some(liesIn)) this.matrix[background]![detected.classIds[d]!]!++;
    }
    return this;
  }
}

function numbers(count: number, isWanted: (i: number) => boolean): number[] {
  return Array.from({ length: count }, (_, i) => i).filter(isWanted);
}
