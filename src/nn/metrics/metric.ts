/** What a metric is, and the sum on the device that metrics are made of. */
import * as tf from "@tensorflow/tfjs-core";

/**
 * A number, or several, about all batches since `reset()`. `update` records tensor operators and reads nothing, so that it
 * may be called in a training step; `compute` waits for the device once.
 */
export interface Metric<Result = number> {
  update(preds: tf.Tensor, target: tf.Tensor): void;
  compute(): Promise<Result>;
  /** Forgets all batches and frees what was kept. */
  reset(): void;
}

/** A metric whose batches add up to a list of numbers, so that several ranks can add theirs. */
export interface SummableMetric<Result = number> extends Metric<Result> {
  /** What all batches since `reset` add up to. */
  sums(): Promise<readonly number[]>;
  /** The value of such sums, as `compute` gives it of this metric's own. */
  computeFrom(sums: readonly number[]): Result;
}

/** A running sum of tensors of one shape, kept from scopes. */
export class RunningSum {
  #sum: tf.Tensor | null = null;

  /** @param part records the operators that give the next term; what else it makes is freed */
  add(part: () => tf.Tensor): void {
    const previous = this.#sum;
    this.#sum = tf.tidy(() => {
      const term = part();
      return tf.keep(tf.add(previous ?? tf.zeros(term.shape), term));
    });
    previous?.dispose();
  }

  /** The sum's values; undefined before the first term. */
  async read(): Promise<Float32Array | undefined> {
    return this.#sum === null ? undefined : ((await this.#sum.data()) as Float32Array);
  }

  reset(): void {
    this.#sum?.dispose();
    this.#sum = null;
  }
}
