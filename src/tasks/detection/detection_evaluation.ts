/** Measures detections of a part of the data against its true boxes, picture by picture. */
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

export class DetectionEvaluation {
  readonly #square: Letterboxed;
  readonly #metric: MeanAveragePrecision;

  /** @param square the network's input */
  constructor(numClasses: number, square: Letterboxed) {
    this.#square = square;
    this.#metric = new MeanAveragePrecision({ numClasses });
  }

  /** @param records the pictures that the predictions are of */
  update(predictions: readonly RawDetections[], records: readonly DetectionRecord[]): void {
    const detected = records.map((record, i): Candidates => {
      const { scores, boxes } = predictions[i]!;
      return inPicture(selectDetections(scores, boxes, COUNTED), record, this.#square);
    });
    const truth = records.map(truthOf);
    this.#metric.update(detected, truth);
  }

  /** What the pictures since the last call give. */
  finish(): MeanAveragePrecisionResult {
    const result = this.#metric.compute();
    this.#metric.reset();
    return result;
  }
}

/** What there is to find in a picture. */
export function truthOf({ boxes }: DetectionRecord): TrueBoxes {
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
