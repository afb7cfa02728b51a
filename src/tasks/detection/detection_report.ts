/** What detections are worth, once they are all there. */
import { checkDetectionOptions, resolveDetectionOptions } from "./decode_detections.js";
import { DetectionConfusion } from "./detection_confusion.js";
import type { DetectionRecord } from "./detection_dataset.js";
import { truthOf } from "./detection_evaluation.js";
import {
  MeanAveragePrecision,
  type DetectedBoxes,
  type MeanAveragePrecisionResult,
  type PrecisionRecallCurve,
} from "./mean_average_precision.js";

/** One class. Numbers are between 0 and 1, or -1 where there is nothing to find. */
export interface DetectedClassReport {
  label: string;
  /** COCO's AP: the mean over overlaps from 0.5 to 0.95. */
  ap: number;
  /** At an overlap of 0.5. */
  ap50: number;
  /** Average recall with at most 100 detections a picture. */
  recall: number;
  /** True boxes, crowds left out. */
  support: number;
}

/** What detections are worth. */
export interface DetectionReport extends MeanAveragePrecisionResult {
  perClass: DetectedClassReport[];
  /** Precision at 101 recalls, for each class, at overlaps of 0.5 and 0.75. */
  curves: { iou50: PrecisionRecallCurve[]; iou75: PrecisionRecallCurve[] };
  /**
   * `confusionMatrix[target][prediction]`: counts of boxes that overlap by half and more. The last row are detections where
   * nothing is, the last column true boxes that were not found.
   */
  confusionMatrix: number[][];
  /** The names of the confusion matrix's rows and columns: the classes, and `background`. */
  confusionLabels: string[];
}

/** Takes pictures one by one. */
export class DetectionReporter {
  readonly #labels: readonly string[];
  readonly #metric: MeanAveragePrecision;
  readonly #confusion: DetectionConfusion;
  readonly #support: number[];

  /**
   * @param options.threshold the least score that counts in the confusion matrix
   * @throws ConfigurationError `ERR_DETECTION_OPTION`
   */
  constructor(labels: readonly string[], { threshold }: { threshold?: number | undefined } = {}) {
    const counted = threshold === undefined ? {} : { threshold };
    checkDetectionOptions(counted);
    this.#labels = labels;
    this.#metric = new MeanAveragePrecision({ numClasses: labels.length });
    this.#confusion = new DetectionConfusion(labels.length, resolveDetectionOptions(counted).threshold);
    this.#support = labels.map(() => 0);
  }

  update(detected: DetectedBoxes, record: DetectionRecord): void {
    const truth = truthOf(record);
    this.#metric.update([detected], [truth]);
    this.#confusion.update(detected, truth);
    for (const { classId, crowd } of record.boxes) if (crowd !== true) this.#support[classId]!++;
  }

  finish(): DetectionReport {
    const result = this.#metric.compute();
    return {
      ...result,
      perClass: this.#labels.map((label, id) => ({
        label,
        ap: result.mapPerClass[id]!,
        ap50: result.map50PerClass[id]!,
        recall: result.marPerClass[id]!,
        support: this.#support[id]!,
      })),
      curves: { iou50: this.#metric.curves(0.5), iou75: this.#metric.curves(0.75) },
      confusionMatrix: this.#confusion.matrix,
      confusionLabels: [...this.#labels, "background"],
    };
  }
}
