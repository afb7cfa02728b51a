/** Accuracy: the share of right predictions. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { checkSingleLabel } from "./confusion_matrix.js";
import { RunningSum, type SummableMetric } from "./metric.js";
import { MultiLabelCounts } from "./multi_label.js";

/** Options of `Accuracy`. */
export interface AccuracyOptions {
  /** Classes, or labels where `multiLabel` is set. */
  numClasses: number;
  /** A prediction is right if the target is among this many highest scores. Default: 1. */
  topK?: number;
  /** Every sample has any number of labels. Default: false. */
  multiLabel?: boolean;
  /** Multi-label: probability above which a label is predicted. Default: 0.5. */
  threshold?: number;
}

/**
 * Single-label: the share of samples whose class is right. Multi-label: the share of all decisions, over samples and
 * labels, that are right (torchmetrics' micro averages).
 */
export class Accuracy implements SummableMetric {
  readonly #numClasses: number;
  readonly #topK: number;
  readonly #labels: MultiLabelCounts | undefined;
  readonly #correct = new RunningSum();
  #samples = 0;

  /** @throws ConfigurationError if `topK` is not from 1 to the number of classes, or is used with `multiLabel` */
  constructor({ numClasses, topK = 1, multiLabel = false, threshold = 0.5 }: AccuracyOptions) {
    if (!Number.isInteger(topK) || topK < 1 || topK > numClasses || (multiLabel && topK !== 1)) {
      throw new ConfigurationError(
        "ERR_TOP_K",
        `Accuracy's topK is an integer from 1 to the number of classes (${numClasses}), and 1 for multi-label, ` +
          `not ${topK}.`,
      );
    }
    this.#numClasses = numClasses;
    this.#topK = topK;
    if (multiLabel) this.#labels = new MultiLabelCounts(numClasses, threshold);
  }

  /**
   * @param preds scores [batch, classes], or for topK 1 int32 class indices [batch]; multi-label: probabilities
   * @param target int32 class indices [batch]; multi-label: zeros and ones [batch, labels]
   * @throws ConfigurationError if the shapes do not fit
   */
  update(preds: tf.Tensor, target: tf.Tensor): void {
    if (this.#labels !== undefined) return this.#labels.update(preds, target);
    checkSingleLabel(preds, target, this.#numClasses);
    if (this.#topK > 1 && preds.rank !== 2) {
      throw new ConfigurationError(
        "ERR_SHAPE",
        `Top-${this.#topK} accuracy takes scores, not class indices.`,
      );
    }
    this.#samples += target.size;
    this.#correct.add(() => {
      if (this.#topK === 1) {
        const classes = preds.rank === 2 ? tf.argMax(preds, 1) : preds;
        return tf.sum(tf.cast(tf.equal(classes, target), "float32"));
      }
      const { indices } = tf.topk(preds, this.#topK);
      return tf.sum(tf.cast(tf.equal(indices, tf.expandDims(target, 1)), "float32"));
    });
  }

  /** From 0 to 1; NaN before the first sample. */
  async compute(): Promise<number> {
    return this.computeFrom(await this.sums());
  }

  /** Right predictions and samples; multi-label: as MultiLabelCounts has them. */
  async sums(): Promise<readonly number[]> {
    if (this.#labels !== undefined) return this.#labels.sums();
    const [correct] = (await this.#correct.read()) ?? [0];
    return [correct!, this.#samples];
  }

  computeFrom(sums: readonly number[]): number {
    if (this.#labels === undefined) return sums[0]! / sums[1]!;
    const counts = this.#labels.countsOf(sums);
    const sum = (of: (count: (typeof counts)[number]) => number): number =>
      counts.reduce((total, count) => total + of(count), 0);
    const right = sum((count) => count.truePositives + count.trueNegatives);
    return right / (right + sum((count) => count.falsePositives + count.falseNegatives));
  }

  reset(): void {
    this.#correct.reset();
    this.#labels?.reset();
    this.#samples = 0;
  }
}
