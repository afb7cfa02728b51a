/** Small numbers over measurements. */

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which this share of all lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)]!;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Calls `run` up to `count` times; from the fifth call on, stops when `seconds` are over. */
export function repeat(run: () => void, count: number, seconds: number): void {
  const end = performance.now() + seconds * 1000;
  for (let i = 0; i < count && (i < 5 || performance.now() < end); i++) run();
}
