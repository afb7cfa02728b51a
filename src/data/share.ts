/** What one of several ranks has of an epoch. */

/** A rank's part of a loader. */
export interface Share {
  /** From 0. */
  rank: number;
  worldSize: number;
  /**
   * "samples", for training: the samples of each global batch are dealt out, and where they do not come out even the first
   * of the epoch come again, so that all ranks have equally many. "batches", for evaluation: whole batches are dealt out, as
   * one rank would have made them, each of them once.
   */
  of: "samples" | "batches";
}

/** A rank's entries of an epoch's order, in their order. */
export function takeShare<T>(
  order: readonly T[],
  { rank, worldSize, of }: Share,
  { batchSize, dropLast }: { batchSize: number; dropLast: boolean },
): T[] {
  if (of === "batches") return order.filter((_, i) => Math.floor(i / batchSize) % worldSize === rank);
  const each = samplesEach(order.length, worldSize, dropLast);
  return Array.from({ length: each }, (_, i) => order[(i * worldSize + rank) % order.length]!);
}

/** How many entries `takeShare` gives of so many. */
export function shareLength(
  length: number,
  { rank, worldSize, of }: Share,
  { batchSize, dropLast }: { batchSize: number; dropLast: boolean },
): number {
  if (of === "samples") return samplesEach(length, worldSize, dropLast);
  const full = Math.floor(length / batchSize);
  const own = Math.floor(full / worldSize) + (full % worldSize > rank ? 1 : 0);
  return own * batchSize + (full % worldSize === rank ? length % batchSize : 0);
}

function samplesEach(length: number, worldSize: number, dropLast: boolean): number {
  return dropLast ? Math.floor(length / worldSize) : Math.ceil(length / worldSize);
}
