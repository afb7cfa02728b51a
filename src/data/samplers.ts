/** The order in which a loader goes through a dataset. */
import { ConfigurationError } from "../errors.js";
import type { Generator } from "../random.js";

/** The order in which samples are drawn in an epoch. */
export interface Sampler {
  /** How many indices one epoch has. */
  readonly length: number;
  /** The indices of one epoch; the generator differs from epoch to epoch. */
  order(random: Generator): number[];
}

/** 0, 1, 2, … */
export class SequentialSampler implements Sampler {
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  order(): number[] {
    return Array.from({ length: this.length }, (_, i) => i);
  }
}

/** Every index once, in a new random order each epoch. */
export class RandomSampler implements Sampler {
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  order(random: Generator): number[] {
    return random.permutation(this.length);
  }
}

/** Each draw takes an index with a probability in proportion to its weight; an index may come several times. */
export class WeightedRandomSampler implements Sampler {
  readonly length: number;
  readonly #cumulative: Float64Array;

  /**
   * @param weights one a sample, not negative, not all zero
   * @param options `numSamples`: draws an epoch; default as many as there are weights
   * @throws ConfigurationError `ERR_SAMPLER_WEIGHTS`
   */
  constructor(weights: readonly number[], { numSamples = weights.length }: { numSamples?: number } = {}) {
    let sum = 0;
    this.#cumulative = Float64Array.from(weights, (weight, i) => {
      if (!(weight >= 0 && weight < Infinity)) {
        throw new ConfigurationError(
          "ERR_SAMPLER_WEIGHTS",
          `Weights must be finite and not negative; weight ${i} is ${weight}.`,
        );
      }
      return (sum += weight);
    });
    if (sum === 0)
      throw new ConfigurationError("ERR_SAMPLER_WEIGHTS", "At least one weight must be above zero.");
    this.length = numSamples;
  }

  order(random: Generator): number[] {
    const total = this.#cumulative.at(-1)!;
    return Array.from({ length: this.length }, () => this.#indexAt(random.uniform() * total));
  }

  /** The first index whose cumulative weight lies above `value`. */
  #indexAt(value: number): number {
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#cumulative[middle]! > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
