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
import { MeanAveragePrecision, type MeanAveragePrecisionResult } from "./mean_average_precision.js";

/** Even unlikely detections count, as in COCO's evaluation. */
const COUNTED: DetectionOptions = { threshold: 0.01 };

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
    const truth = records.map(({ boxes }) => ({
      boxes: boxArray(boxes),
      classIds: boxes.map(({ classId }) => classId),
      crowd: boxes.map(({ crowd }) => Number(crowd === true)),
    }));
    this.#metric.update(detected, truth);
  }

  /** What the pictures since the last call give. */
  finish(): MeanAveragePrecisionResult {
    const result = this.#metric.compute();
    this.#metric.reset();
    return result;
  }
}
