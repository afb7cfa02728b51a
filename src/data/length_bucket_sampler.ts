/** Batches of samples of like length, in random order, so that little of a batch is padding. */
import { ConfigurationError } from "../errors.js";
import type { Generator } from "../random.js";
import type { Sampler } from "./samplers.js";

/** Options of `LengthBucketSampler`. */
export interface LengthBucketSamplerOptions {
  /** The loader's. */
  batchSize: number;
  /** Batches whose samples are sorted together: more is less padding, and less chance. Default: 16. */
  batchesPerBucket?: number;
}

/**
 * Each epoch puts all samples in random order, sorts stretches of them by length, and cuts those into batches that come in
 * random order again. A last batch that is not full stays the last one.
 */
export class LengthBucketSampler implements Sampler {
  readonly length: number;
  readonly #lengths: readonly number[];
  readonly #batchSize: number;
  readonly #bucket: number;

  /**
   * @param lengths of each sample, in any unit
   * @throws ConfigurationError `ERR_LOADER_OPTION`
   */
  constructor(lengths: readonly number[], { batchSize, batchesPerBucket = 16 }: LengthBucketSamplerOptions) {
    for (const [name, value] of Object.entries({ batchSize, batchesPerBucket })) {
      if (Number.isInteger(value) && value > 0) continue;
      throw new ConfigurationError(
        "ERR_LOADER_OPTION",
        `\`${name}\` must be a positive integer, not ${value}.`,
      );
    }
    this.length = lengths.length;
    this.#lengths = lengths;
    this.#batchSize = batchSize;
    this.#bucket = batchSize * batchesPerBucket;
  }

  order(random: Generator): number[] {
    const shuffled = random.permutation(this.length);
    const batches: number[][] = [];
    for (let start = 0; start < shuffled.length; start += this.#bucket) {
      const bucket = shuffled.slice(start, start + this.#bucket);
      bucket.sort((a, b) => this.#lengths[a]! - this.#lengths[b]!);
      for (let i = 0; i < bucket.length; i += this.#batchSize)
        batches.push(bucket.slice(i, i + this.#batchSize));
    }
    const full = batches.filter(({ length }) => length === this.#batchSize);
    const rest = batches.filter(({ length }) => length < this.#batchSize);
    return [...random.permutation(full.length).map((i) => full[i]!), ...rest].flat();
  }
}
