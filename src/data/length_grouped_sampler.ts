/** An order in which the samples of a batch are about equally long, so that little of a batch is padding. */
import { ConfigurationError } from "../errors.js";
import type { Generator } from "../random.js";
import type { Sampler } from "./samplers.js";

/** Options of `LengthGroupedSampler`. */
export interface LengthGroupedSamplerOptions {
  /** The batch size of the loader. */
  batchSize: number;
  /** New batches in a new order each epoch. Default: false, which sorts by length. */
  shuffle?: boolean;
}

/** Batches that are sorted together when shuffling: enough for like lengths, and few enough to mix anew each epoch. */
const BATCHES_OF_A_POOL = 32;

/**
 * With `shuffle`, samples are drawn into pools of 32 batches, each pool is sorted by length and cut into batches, and the
 * batches come in random order; what does not fill a batch comes last.
 */
export class LengthGroupedSampler implements Sampler {
  readonly length: number;
  readonly #lengths: ArrayLike<number>;
  readonly #batchSize: number;
  readonly #shuffle: boolean;

  /**
   * @param lengths of the samples, in any unit
   * @throws ConfigurationError `ERR_LOADER_OPTION` for a batch size that is no positive integer
   */
  constructor(lengths: ArrayLike<number>, { batchSize, shuffle = false }: LengthGroupedSamplerOptions) {
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new ConfigurationError(
        "ERR_LOADER_OPTION",
        `\`batchSize\` must be a positive integer, not ${batchSize}.`,
      );
    }
    this.length = lengths.length;
    this.#lengths = lengths;
    this.#batchSize = batchSize;
    this.#shuffle = shuffle;
  }

  order(random: Generator): number[] {
    const byLength = (a: number, b: number) => this.#lengths[a]! - this.#lengths[b]! || a - b;
    if (!this.#shuffle) return Array.from({ length: this.length }, (_, i) => i).sort(byLength);
    const drawn = random.permutation(this.length);
    const whole = this.length - (this.length % this.#batchSize);
    const pool = this.#batchSize * BATCHES_OF_A_POOL;
    const sorted: number[] = [];
    for (let start = 0; start < whole; start += pool) {
      for (const index of drawn.slice(start, Math.min(start + pool, whole)).sort(byLength))
        sorted.push(index);
    }
    const order = random.permutation(whole / this.#batchSize).flatMap((batch) => {
      const start = batch * this.#batchSize;
      return sorted.slice(start, start + this.#batchSize);
    });
    return [...order, ...drawn.slice(whole)];
  }
}
