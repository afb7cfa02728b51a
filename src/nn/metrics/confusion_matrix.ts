/** ConfusionMatrix: how often each class was taken for each other. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError, DataError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";
import { RunningSum, type SummableMetric } from "./metric.js";

/** Options of `ConfusionMatrix`. */
export interface ConfusionMatrixOptions {
  /** At least 2. */
  numClasses: number;
}

/** Counts of single-label predictions. Exact up to 2²⁴ samples a cell. */
export class ConfusionMatrix implements SummableMetric<number[][]> {
  readonly numClasses: number;
  readonly #counts = new RunningSum();
  #samples = 0;

  constructor({ numClasses }: ConfusionMatrixOptions) {
    this.numClasses = numClasses;
  }

  /**
   * @param preds scores [batch, classes], of which the largest counts, or int32 class indices [batch]
   * @param target int32 class indices [batch]
   * @throws ConfigurationError if the shapes do not fit
   */
  update(preds: tf.Tensor, target: tf.Tensor): void {
    checkSingleLabel(preds, target, this.numClasses);
    this.#samples += target.size;
    this.#counts.add(() => {
      const classes = preds.rank === 2 ? tf.argMax(preds, 1) : preds;
      const predicted = tf.oneHot(classes, this.numClasses, 1, 0, "float32") as tf.Tensor2D;
      const wanted = tf.oneHot(target, this.numClasses, 1, 0, "float32") as tf.Tensor2D;
      return tf.matMul(wanted, predicted, true, false);
    });
  }

  /**
   * The counts: `result[trueClass][predictedClass]`.
   *
   * @throws DataError if a target or predicted index was outside 0 to classes - 1
   */
  async compute(): Promise<number[][]> {
    return this.computeFrom(await this.sums());
  }

  /** The counts row by row, then the samples. */
  async sums(): Promise<readonly number[]> {
    return [...((await this.#counts.read()) ?? new Float32Array(this.numClasses ** 2)), this.#samples];
  }

  /** @throws DataError as `compute` */
  computeFrom(sums: readonly number[]): number[][] {
    const counts = sums.slice(0, -1);
    const samples = sums.at(-1)!;
    const counted = counts.reduce((sum, count) => sum + count, 0);
    if (counted !== samples) {
      throw new DataError(
        "ERR_CLASS_INDEX",
        `${samples - counted} of ${samples} samples have a class index outside 0 to ` +
          `${this.numClasses - 1}. Check the targets and numClasses.`,
      );
    }
    return Array.from({ length: this.numClasses }, (_, row) =>
      counts.slice(row * this.numClasses, (row + 1) * this.numClasses),
    );
  }

  reset(): void {
    this.#counts.reset();
    this.#samples = 0;
  }
}

/** Checks scores [batch, classes] or int32 [batch] against targets int32 [batch]. */
export function checkSingleLabel(preds: tf.Tensor, target: tf.Tensor, numClasses: number): void {
  const scores = preds.rank === 2 && preds.shape[1] === numClasses;
  const indices = preds.rank === 1 && preds.dtype === "int32";
  if (
    (scores || indices) &&
    target.rank === 1 &&
    target.dtype === "int32" &&
    preds.shape[0] === target.shape[0]
  ) {
    return;
  }
  throw new ConfigurationError(
    "ERR_SHAPE",
    `The metric takes scores [batch, ${numClasses}] or int32 class indices [batch] and int32 targets [batch], not ` +
      `${preds.dtype} ${formatShape(preds.shape)} and ${target.dtype} ${formatShape(target.shape)}. ` +
      "For several labels a sample, pass multiLabel: true.",
  );
}
