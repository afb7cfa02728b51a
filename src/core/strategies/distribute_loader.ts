/** The part of a loader's batches that one rank has to do. */
import { DataLoader, type Share } from "../../data/index.js";
import type { BatchLoader } from "../data_module.js";
import type { LoaderUse } from "./strategy.js";

/**
 * In training a DataLoader gives each rank its samples of each global batch, and all ranks equally many. In evaluation, and
 * from loaders of other kinds, ranks take whole batches in turn, so that what is computed of a batch is the same for any
 * number of ranks.
 */
export function distributeLoader(loader: BatchLoader, share: Omit<Share, "of">, use: LoaderUse): BatchLoader {
  if (loader instanceof DataLoader) {
    return loader.shareOf({ ...share, of: use === "train" ? "samples" : "batches" });
  }
  return new BatchesInTurn(loader, share, use === "train");
}

/** Each rank's batches of a loader that knows nothing of ranks: all are loaded, and those of others are dropped. */
class BatchesInTurn implements AsyncIterable<unknown> {
  readonly #loader: BatchLoader;
  readonly #share: Omit<Share, "of">;
  readonly #isEqual: boolean;

  /** @param isEqual whether batches that not every rank would have are left out */
  constructor(loader: BatchLoader, share: Omit<Share, "of">, isEqual: boolean) {
    this.#loader = loader;
    this.#share = share;
    this.#isEqual = isEqual;
  }

  get length(): number | undefined {
    const { length } = this.#loader;
    const { rank, worldSize } = this.#share;
    if (length === undefined) return undefined;
    return this.#isEqual ? Math.floor(length / worldSize) : Math.ceil((length - rank) / worldSize);
  }

  get batchSize(): number | undefined {
    return this.#loader.batchSize;
  }

  setEpoch(epoch: number): void {
    this.#loader.setEpoch?.(epoch);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    const { rank, worldSize } = this.#share;
    let own: { batch: unknown } | undefined;
    let index = 0;
    for await (const batch of this.#loader) {
      const turn = index++ % worldSize;
      if (turn === rank) own = { batch };
      const isDue = this.#isEqual ? turn === worldSize - 1 : turn === rank;
      if (isDue && own !== undefined) yield own.batch;
    }
  }
}
