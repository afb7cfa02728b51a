/** Which learning rate a curve of losses speaks for. */

/** The rate where the loss falls steepest: where its slope over the rate (central differences) is most negative. */
export function steepest(lrs: readonly number[], losses: readonly number[]): number | undefined {
  let best: { lr: number; slope: number } | undefined;
  lrs.forEach((lr, i) => {
    const slope = slopeAt(lrs, losses, i);
    if (best === undefined || slope < best.slope) best = { lr, slope };
  });
  return best?.lr;
}

/** Second order for steps of any length, first order at the ends, as `numpy.gradient`. */
function slopeAt(x: readonly number[], y: readonly number[], i: number): number {
  const rise = (j: number) => (y[j + 1]! - y[j]!) / (x[j + 1]! - x[j]!);
  if (i === 0) return rise(0);
  if (i === x.length - 1) return rise(i - 1);
  const before = x[i]! - x[i - 1]!;
  const after = x[i + 1]! - x[i]!;
  return (after * rise(i - 1) + before * rise(i)) / (before + after);
}

/**
 * The rate in the middle of the longest valley, fastai's method: the valley is the longest run of losses, neighbours or
 * not, each below the one before; of its length, one half lies before the rate that is taken.
 */
export function valley(lrs: readonly number[], losses: readonly number[]): number | undefined {
  if (losses.length === 0) return undefined;
  // How many losses the longest falling run has that ends at each.
  const lengths: number[] = [];
  losses.forEach((loss, i) => {
    const before = lengths.filter((_, j) => losses[j]! > loss);
    lengths[i] = 1 + Math.max(0, ...before);
  });
  const end = lengths.indexOf(Math.max(...lengths));
  const start = Math.max(0, end - lengths[end]!);
  const third = (end - start) / 3;
  return lrs[start + Math.floor(third) + Math.floor(third / 2)];
}
