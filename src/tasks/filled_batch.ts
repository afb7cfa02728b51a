/**
 * Batches for prediction have few sizes: the engine compiles a graph for each, which takes longer than to compute a few rows in
 * vain. What comes of the rows behind the real ones is to be left out.
 */

/** The rows of a batch of so many items: the next power of two. */
export function filledSize(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

/** The items of a batch, and behind them its first one again and again. */
export function filledUp<Item>(items: readonly Item[]): Item[] {
  return Array.from({ length: filledSize(items.length) }, (_, i) => items[i] ?? items[0]!);
}
