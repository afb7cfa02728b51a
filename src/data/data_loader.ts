/** Goes through a dataset in batches, loading the next ones while the consumer works. */
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { ConfigurationError, DataError, KindlingError } from "../errors.js";
import { Generator, getGlobalSeed } from "../random.js";
import { defaultCollate, type Collated } from "./collate.js";
import type { Dataset } from "./dataset.js";
import { RandomSampler, SequentialSampler, type Sampler } from "./samplers.js";
import { shareLength, takeShare, type Share } from "./share.js";

/** Options of `DataLoader`. */
export interface DataLoaderOptions<Sample, Batch> {
  /** Samples a batch; default 32. */
  batchSize?: number;
  /** A new random order each epoch; default false. Not together with `sampler`. */
  shuffle?: boolean;
  /** What order and augmentation are drawn from; default: the seed of `seedEverything` when iteration starts. */
  seed?: number;
  /** Leaves out a last batch that is not full; default false. */
  dropLast?: boolean;
  /** The order; default sequential, or random with `shuffle`. */
  sampler?: Sampler;
  /** Puts samples together; default `defaultCollate`. */
  collate?: (samples: Sample[]) => Batch;
  /** Batches that are loaded ahead, all their samples at once; at least 1; default 2. */
  prefetch?: number;
}

/** Where a loader stands: the epoch, and how many of its batches have been handed out. */
export interface DataLoaderState {
  epoch: number;
  batch: number;
}

interface Draw {
  index: number;
  /** How often the index came before in the same epoch. */
  repeat: number;
}

/**
 * Batches in an order that depends on the seed and the epoch alone, and on nothing that happens meanwhile.
 *
 * Samples of the next `prefetch` batches are asked for at once, so that the work which leaves JavaScript (decoding in
 * libuv's threads, downloads) goes on while a training step blocks the event loop. At most `prefetch + 1` batches are in
 * memory. A loader that has run to its end goes on to the next epoch by itself; `setEpoch` chooses one.
 */
export class DataLoader<Sample, Batch = Collated<Sample>> implements AsyncIterable<Batch> {
  readonly dataset: Dataset<Sample>;
  readonly batchSize: number;
  readonly dropLast: boolean;
  readonly #sampler: Sampler;
  readonly #seed: number | undefined;
  readonly #collate: (samples: Sample[]) => Batch;
  readonly #prefetch: number;
  #share: Share | undefined;
  #epoch = 0;
  #handedOut = 0;
  #resumeAt = 0;

  /** @throws ConfigurationError `ERR_LOADER_OPTION` */
  constructor(dataset: Dataset<Sample>, options: DataLoaderOptions<Sample, Batch> = {}) {
    const { batchSize = 32, shuffle = false, seed, dropLast = false, sampler, prefetch = 2 } = options;
    checkCount("batchSize", batchSize);
    checkCount("prefetch", prefetch);
    if (shuffle && sampler !== undefined) {
      throw new ConfigurationError(
        "ERR_LOADER_OPTION",
        "`sampler` decides the order, so leave out `shuffle`.",
      );
    }
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.dropLast = dropLast;
    this.#sampler =
      sampler ?? (shuffle ? new RandomSampler(dataset.length) : new SequentialSampler(dataset.length));
    this.#seed = seed;
    this.#collate = options.collate ?? ((samples) => defaultCollate(samples) as unknown as Batch);
    this.#prefetch = prefetch;
  }

  /** Batches an epoch. */
  get length(): number {
    const { length } = this.#sampler;
    const samples = this.#share === undefined ? length : shareLength(length, this.#share, this);
    const batches = samples / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The epoch of the next iteration, 0-based. It starts at its first batch, unless `loadStateDict` was in this epoch. */
  setEpoch(epoch: number): void {
    if (epoch === this.#epoch && this.#resumeAt > 0) return;
    this.#epoch = epoch;
    this.#handedOut = 0;
    this.#resumeAt = 0;
  }

  stateDict(): DataLoaderState {
    return { epoch: this.#epoch, batch: this.#handedOut };
  }

  /** A loader with the same settings for another dataset, whose samples stand for the same things in the same order. */
  withDataset<Other>(dataset: Dataset<Other>): DataLoader<Other> {
    const { batchSize, dropLast } = this;
    const options = {
      batchSize,
      dropLast,
      seed: this.#seed,
      sampler: this.#sampler,
      prefetch: this.#prefetch,
    };
    const loader = new DataLoader(dataset, options);
    loader.#share = this.#share;
    return loader;
  }

  /** A loader of what one of several ranks has of this one's epochs. */
  shareOf(share: Share): DataLoader<Sample, Batch> {
    const { batchSize, dropLast } = this;
    const loader = new DataLoader<Sample, Batch>(this.dataset, {
      batchSize,
      dropLast,
      ...(this.#seed === undefined ? {} : { seed: this.#seed }),
      sampler: this.#sampler,
      collate: this.#collate,
      prefetch: this.#prefetch,
    });
    loader.#share = share;
    return loader;
  }

  /** The next iteration starts at the batch that would have come next. */
  loadStateDict({ epoch, batch }: DataLoaderState): void {
    this.#epoch = epoch;
    this.#handedOut = batch;
    this.#resumeAt = batch;
  }

  /** @throws DataError of the first sample that fails, with its path or index */
  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    const seed = this.#seed ?? getGlobalSeed();
    const epoch = this.#epoch;
    const all = countRepeats(this.#sampler.order(new Generator(seed, epoch)));
    const draws = this.#share === undefined ? all : takeShare(all, this.#share, this);
    let next = this.#resumeAt;
    this.#resumeAt = 0;
    this.#handedOut = next;

    const pending: Promise<Batch>[] = [];
    const loadAhead = () => {
      for (; pending.length < this.#prefetch && next < this.length; next++) {
        const batch = this.#loadBatch(
          draws.slice(next * this.batchSize, (next + 1) * this.batchSize),
          seed,
          epoch,
        );
        batch.catch(() => undefined); // where the consumer has stopped, nobody waits for it
        pending.push(batch);
      }
    };

    loadAhead();
    while (pending.length > 0) {
      const batch = await pending.shift()!;
      loadAhead();
      // Work that has come back from other threads may have a second part to be sent there.
      await turnOfEventLoop();
      this.#handedOut++;
      yield batch;
    }
    this.#epoch = epoch + 1;
    this.#handedOut = 0;
  }

  async #loadBatch(draws: readonly Draw[], seed: number, epoch: number): Promise<Batch> {
    const samples = await Promise.all(
      draws.map(({ index, repeat }) => this.#loadSample(index, new Generator(seed, epoch, index, repeat))),
    );
    return this.#collate(samples);
  }

  async #loadSample(index: number, random: Generator): Promise<Sample> {
    try {
      return await this.dataset.get(index, random);
    } catch (cause) {
      if (cause instanceof DataError && (cause.path !== undefined || cause.row !== undefined)) throw cause;
      const code = cause instanceof KindlingError ? cause.code : "ERR_SAMPLE";
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new DataError(code, `Sample ${index} could not be loaded: ${message}`, { cause });
    }
  }
}

function countRepeats(indices: readonly number[]): Draw[] {
  const seen = new Map<number, number>();
  return indices.map((index) => {
    const repeat = seen.get(index) ?? 0;
    seen.set(index, repeat + 1);
    return { index, repeat };
  });
}

function checkCount(name: string, count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new ConfigurationError(
      "ERR_LOADER_OPTION",
      `\`${name}\` must be a positive integer, not ${count}.`,
    );
  }
}
