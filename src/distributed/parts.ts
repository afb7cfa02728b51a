/** How an array is divided up among ranks. */
import type { CollectiveArray } from "./process_group.js";

/** Where a part lies, in elements. */
export interface PartOf {
  start: number;
  length: number;
}

/** Equal parts for all ranks, the last ones shorter. */
export function equalParts(length: number, size: number): PartOf[] {
  const most = Math.ceil(length / size);
  return Array.from({ length: size }, (_, rank) => {
    const start = Math.min(length, rank * most);
    return { start, length: Math.min(most, length - start) };
  });
}

/** Parts of these lengths, one behind the other. */
export function partsOf(lengths: readonly number[]): PartOf[] {
  let end = 0;
  return lengths.map((length) => ({ start: (end += length) - length, length }));
}

/** The `turn`-th piece of a part, of `most` elements; the last one is shorter, and those behind it are empty. */
export function pieceOf({ start, length }: PartOf, turn: number, most: number): PartOf {
  const skipped = Math.min(length, turn * most);
  return { start: start + skipped, length: Math.min(most, length - skipped) };
}

/** How many pieces of `most` elements the longest part has. */
export function turnsOf(parts: readonly PartOf[], most: number): number {
  return Math.ceil(Math.max(...parts.map(({ length }) => length)) / most);
}

export function cut<T extends CollectiveArray>(array: T, { start, length }: PartOf): T {
  return array.subarray(start, start + length) as T;
}
