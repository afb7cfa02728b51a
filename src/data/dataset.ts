/** Samples by number, and the ways to combine them. */
import type { Generator } from "../random.js";

/** Samples by their numbers. */
export interface Dataset<Sample = unknown> {
  readonly length: number;
  /**
   * @param index 0 to length - 1
   * @param random for augmentation: seeded from the seed, the epoch and the index, so that a sample does not depend on
   *   the order in which samples are loaded
   */
  get(index: number, random: Generator): Sample | Promise<Sample>;
}

/** The items of an array. */
export class ArrayDataset<Sample> implements Dataset<Sample> {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  get length(): number {
    return this.#samples.length;
  }

  get(index: number): Sample {
    return at(this.#samples, index);
  }
}

/** Another dataset's samples, each passed through a function. */
export class MapDataset<Input, Output> implements Dataset<Output> {
  readonly #source: Dataset<Input>;
  readonly #transform: (sample: Input, random: Generator) => Output | Promise<Output>;

  constructor(
    source: Dataset<Input>,
    transform: (sample: Input, random: Generator) => Output | Promise<Output>,
  ) {
    this.#source = source;
    this.#transform = transform;
  }

  get length(): number {
    return this.#source.length;
  }

  async get(index: number, random: Generator): Promise<Output> {
    return this.#transform(await this.#source.get(index, random), random);
  }
}

/** Some of another dataset's samples, in the order of `indices`. */
export class Subset<Sample> implements Dataset<Sample> {
  readonly #source: Dataset<Sample>;
  readonly indices: readonly number[];

  constructor(source: Dataset<Sample>, indices: readonly number[]) {
    this.#source = source;
    this.indices = indices;
  }

  get length(): number {
    return this.indices.length;
  }

  get(index: number, random: Generator): Sample | Promise<Sample> {
    return this.#source.get(at(this.indices, index), random);
  }
}

/** Several datasets, one after the other. */
export class ConcatDataset<Sample> implements Dataset<Sample> {
  readonly #parts: readonly Dataset<Sample>[];

  constructor(parts: readonly Dataset<Sample>[]) {
    this.#parts = parts;
  }

  get length(): number {
    return this.#parts.reduce((sum, part) => sum + part.length, 0);
  }

  get(index: number, random: Generator): Sample | Promise<Sample> {
    let local = index;
    for (const part of this.#parts) {
      if (local < part.length) return part.get(local, random);
      local -= part.length;
    }
    throw outOfRange(index, this.length);
  }
}

function at<Item>(items: readonly Item[], index: number): Item {
  if (!(index in items)) throw outOfRange(index, items.length);
  return items[index]!;
}

function outOfRange(index: number, length: number): RangeError {
  return new RangeError(`There is no sample ${index}: the dataset has ${length}, numbered from 0.`);
}
