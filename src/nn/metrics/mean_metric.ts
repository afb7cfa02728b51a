/** MeanMetric: the weighted mean of values, such as the loss of each batch. */
import * as tf from "@tensorflow/tfjs-core";
import { RunningSum } from "./metric.js";

/** The weighted mean of numbers over an epoch. */
export class MeanMetric {
  readonly #sums = new RunningSum();

  /**
   * Adds values without reading them.
   *
   * @param value a number, or a tensor all of whose elements count
   * @param weight of each element, such as the batch size. Default: 1.
   */
  update(value: tf.Tensor | number, weight = 1): void {
    this.#sums.add(() => {
      const tensor = typeof value === "number" ? tf.scalar(value) : value;
      const total = tf.mul(tf.sum(tensor), tf.scalar(weight));
      return tf.stack([total, tf.scalar(weight * tensor.size)]);
    });
  }

  /** The mean; NaN before the first value. */
  async compute(): Promise<number> {
    return this.computeFrom(await this.sums());
  }

  /** The weighted sum of the values, and the sum of their weights. */
  async sums(): Promise<readonly number[]> {
    return [...((await this.#sums.read()) ?? [0, 0])];
  }

  computeFrom(sums: readonly number[]): number {
    return sums[0]! / sums[1]!;
  }

  reset(): void {
    this.#sums.reset();
  }
}
