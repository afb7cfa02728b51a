/** Histograms as TensorBoard's histogram summary keeps them. */

/** As many as TensorBoard's own writer makes. */
const BUCKETS = 30;

/**
 * Rows of left edge, right edge and count, of buckets of equal width from the least value to the greatest. Values that are
 * no finite numbers are left out.
 *
 * @returns `buckets` rows; where all values are equal, all buckets have that edge and the last has the count
 */
export function histogramBuckets(values: ArrayLike<number>, buckets = BUCKETS): Float64Array {
  const rows = new Float64Array(buckets * 3);
  let [min, max, count] = [Infinity, -Infinity, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    count++;
  }
  if (count === 0) return rows;
  const width = (max - min) / buckets;
  for (let b = 0; b < buckets; b++) {
    rows[b * 3] = min + b * width;
    rows[b * 3 + 1] = b === buckets - 1 ? max : min + (b + 1) * width;
  }
  if (width === 0) {
    rows[buckets * 3 - 1] = count;
    return rows;
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    const bucket = Math.min(Math.floor((value - min) / width), buckets - 1);
    rows[bucket * 3 + 2]!++;
  }
  return rows;
}
