/** Measures detections of a part of the data against its true boxes, whichever ranks have found them. */
import { boxArray } from "./boxes.js";
import {
  inPicture,
  selectDetections,
  type Candidates,
  type DetectionOptions,
  type Letterboxed,
} from "./decode_detections.js";
import type { DetectionRecord } from "./detection_dataset.js";
import {
  MeanAveragePrecision,
  type MeanAveragePrecisionResult,
  type TrueBoxes,
} from "./mean_average_precision.js";

/** Even unlikely detections count, as in COCO's evaluation. */
export const COUNTED: DetectionOptions = { threshold: 0.01 };

/** What a network says of one picture. */
export interface RawDetections {
  /** 0 to 1, [places, classes] */
  scores: Float32Array;
  /** Corners in pixels of the input, [places, 4] */
  boxes: Float32Array;
}

/** A picture that was looked at: what was found in it, and what there is. */
interface Seen {
  /** Its place in its part. */
  number: number;
  record: Omit<DetectionRecord, "image">;
  path: string | undefined;
  detected: Candidates;
}

export class DetectionEvaluation {
  readonly #numClasses: number;
  readonly #square: Letterboxed;
  #seen: Seen[] = [];

  /** @param square the network's input */
  constructor(numClasses: number, square: Letterboxed) {
    this.#numClasses = numClasses;
    this.#square = square;
  }

  /**
   * @param numbers the pictures that the predictions are of
   * @param records of their part
   */
  update(
    predictions: readonly RawDetections[],
    numbers: readonly number[],
    records: readonly DetectionRecord[],
  ): void {
    for (const [i, number] of numbers.entries()) {
      const { image, ...record } = records[number]!;
      const { scores, boxes } = predictions[i]!;
      const detected = inPicture(selectDetections(scores, boxes, COUNTED), record, this.#square);
      this.#seen.push({ number, record, path: typeof image === "string" ? image : undefined, detected });
    }
  }

  /**
   * What the pictures give that any rank has seen since the last call. One that several have seen, where samplers fill up their
   * ranks' parts, counts once; and their order is that of the part, which decides between equal scores.
   *
   * @param gather gives the values of all ranks
   */
  async finish(
    gather: (own: readonly Seen[]) => Promise<(readonly Seen[])[]>,
  ): Promise<MeanAveragePrecisionResult> {
    const own = this.#seen;
    this.#seen = [];
    const pictures = new Map((await gather(own)).flat().map((seen) => [identityOf(seen), seen]));
    const inOrder = [...pictures.values()].sort((a, b) => a.number - b.number);
    const metric = new MeanAveragePrecision({ numClasses: this.#numClasses });
    metric.update(
      inOrder.map(({ detected }) => detected),
      inOrder.map(({ record }) => truthOf(record)),
    );
    return metric.compute();
  }
}

/** Ranks may have parts of their own, in which other pictures have the same numbers. */
function identityOf({ number, path, record }: Seen): string {
  return JSON.stringify([number, path, record]);
}

/** What there is to find in a picture. */
export function truthOf({ boxes }: Pick<DetectionRecord, "boxes">): TrueBoxes {
  return {
    boxes: boxArray(boxes),
    classIds: boxes.map(({ classId }) => classId),
    crowd: boxes.map(({ crowd }) => Number(crowd === true)),
  };
}

/** The numbers of a batch, picture by picture. */
export function byPicture(scores: Float32Array, boxes: Float32Array, count: number): RawDetections[] {
  const [ofScores, ofBoxes] = [scores.length / count, boxes.length / count];
  return Array.from({ length: count }, (_, i) => ({
    scores: scores.subarray(i * ofScores, (i + 1) * ofScores),
    boxes: boxes.subarray(i * ofBoxes, (i + 1) * ofBoxes),
  }));
}
