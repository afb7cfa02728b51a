/** Divides samples into two parts by seeded chance. */
import { ConfigurationError } from "../errors.js";
import { Generator } from "../random.js";

/** Indices of the samples, ascending. */
export interface Split {
  /** What is left to train on. */
  train: number[];
  held: number[];
}

/** A split that keeps the share of each class. */
export interface StratifiedSplit<Target> extends Split {
  /** Classes with a single sample: it stays in `train`, so that `held` does not know the class. */
  single: Target[];
}

/**
 * Holds a random part out.
 *
 * @param share between 0 and 1 (exclusive) a fraction; an integer from 1 on a number of samples
 * @throws ConfigurationError `ERR_SPLIT` where nothing would be left in one of the parts
 */
export function randomSplit(length: number, share: number, seed: number): Split {
  const heldCount = countHeld(length, share);
  const order = new Generator(seed).permutation(length);
  return { held: order.slice(0, heldCount).sort(ascending), train: order.slice(heldCount).sort(ascending) };
}

/**
 * Holds a random part out in which every class has its share, to the nearest sample (largest remainders first). At least
 * one sample of each class stays in `train`.
 *
 * @param targets the class of each sample
 * @param share between 0 and 1 (exclusive) a fraction; an integer from 1 on a number of samples
 * @throws ConfigurationError `ERR_SPLIT` where nothing would be left in one of the parts
 */
export function stratifiedSplit<Target extends string | number>(
  targets: readonly Target[],
  share: number,
  seed: number,
): StratifiedSplit<Target> {
  const wanted = countHeld(targets.length, share);
  const members = new Map<Target, number[]>();
  for (const i of new Generator(seed).permutation(targets.length)) {
    const target = targets[i]!;
    const list = members.get(target);
    if (list === undefined) members.set(target, [i]);
    else list.push(i);
  }
  const classes = [...members.keys()].sort(compareTargets);
  const counts = apportion(
    classes.map((target) => members.get(target)!.length),
    wanted,
  );
  const held: number[] = [];
  const train: number[] = [];
  classes.forEach((target, c) => {
    const list = members.get(target)!;
    held.push(...list.slice(0, counts[c]));
    train.push(...list.slice(counts[c]));
  });
  const single = classes.filter((target) => members.get(target)!.length === 1);
  if (held.length === 0) {
    throw new ConfigurationError("ERR_SPLIT", "No class has a second sample that could be held out.");
  }
  return { train: train.sort(ascending), held: held.sort(ascending), single };
}

/** Divides `total` in proportion to the sizes, each below its size, by largest remainders. */
function apportion(sizes: readonly number[], total: number): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  const quotas = sizes.map((size) => (total * size) / sum);
  const counts = quotas.map((quota, i) => Math.min(Math.floor(quota), sizes[i]! - 1));
  let left = total - counts.reduce((a, b) => a + b, 0);
  const byRemainder = sizes
    .map((_, i) => i)
    .sort((a, b) => quotas[b]! - Math.floor(quotas[b]!) - (quotas[a]! - Math.floor(quotas[a]!)) || a - b);
  for (let given = 1; left > 0 && given > 0;) {
    given = 0;
    for (const i of byRemainder) {
      if (left === 0 || counts[i]! >= sizes[i]! - 1) continue;
      counts[i]!++;
      left--;
      given++;
    }
  }
  return counts;
}

/** @throws ConfigurationError `ERR_SPLIT` for what is neither a fraction nor a number of samples */
export function checkShare(share: number): void {
  if ((share > 0 && share < 1) || (Number.isInteger(share) && share >= 1)) return;
  throw new ConfigurationError(
    "ERR_SPLIT",
    `A split is a fraction between 0 and 1 or a whole number of samples, not ${share}.`,
  );
}

function countHeld(length: number, share: number): number {
  checkShare(share);
  const count = share < 1 ? Math.max(1, Math.round(length * share)) : share;
  if (count >= length) {
    throw new ConfigurationError(
      "ERR_SPLIT",
      `Of ${length} samples, ${count} cannot be held out: none would be left to train on.`,
    );
  }
  return count;
}

function ascending(a: number, b: number): number {
  return a - b;
}

function compareTargets(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
