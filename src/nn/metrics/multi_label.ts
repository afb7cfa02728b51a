/** Counts of right and wrong yes-or-no decisions for each label. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";
import { RunningSum } from "./metric.js";

export interface LabelCounts {
  truePositives: number;
  falsePositives: number;
  falseNegatives: number;
  trueNegatives: number;
}

/** Streaming counts for each label. A label is predicted where its probability is above the threshold. */
export class MultiLabelCounts {
  readonly #numLabels: number;
  readonly #threshold: number;
  readonly #sums = new RunningSum();
  #samples = 0;

  constructor(numLabels: number, threshold: number) {
    this.#numLabels = numLabels;
    this.#threshold = threshold;
  }

  /** Both [batch, labels]: probabilities, and zeros and ones. */
  update(preds: tf.Tensor, target: tf.Tensor): void {
    const fits = (tensor: tf.Tensor): boolean => tensor.rank === 2 && tensor.shape[1] === this.#numLabels;
    if (!fits(preds) || !fits(target) || preds.shape[0] !== target.shape[0]) {
      throw new ConfigurationError(
        "ERR_SHAPE",
        `The metric takes probabilities and targets of shape [batch, ${this.#numLabels}], not ` +
          `${formatShape(preds.shape)} and ${formatShape(target.shape)}.`,
      );
    }
    this.#samples += preds.shape[0];
    this.#sums.add(() => {
      const predicted = tf.cast(tf.greater(preds, tf.scalar(this.#threshold)), "float32");
      const wanted = tf.cast(target, "float32");
      const both = tf.mul(predicted, wanted);
      return tf.stack([both, predicted, wanted].map((hits) => tf.sum(hits, 0)));
    });
  }

  /** For each label its hits, the predictions and the targets; then the samples. */
  async sums(): Promise<readonly number[]> {
    return [...((await this.#sums.read()) ?? new Float32Array(3 * this.#numLabels)), this.#samples];
  }

  countsOf(sums: readonly number[]): LabelCounts[] {
    const n = this.#numLabels;
    const samples = sums[3 * n]!;
    return Array.from({ length: n }, (_, label) => {
      const [both, predicted, wanted] = [sums[label]!, sums[n + label]!, sums[2 * n + label]!];
      return {
        truePositives: both,
        falsePositives: predicted - both,
        falseNegatives: wanted - both,
        trueNegatives: samples - predicted - wanted + both,
      };
    });
  }

  reset(): void {
    this.#sums.reset();
    this.#samples = 0;
  }
}
