/**
 * A forest of regression trees (Breiman, 2001) over mixed parameters, whose leaves are boxes: what the analysis of variance needs
 * to integrate over.
 */
import type { Generator } from "../../../random.js";

/** What a feature can be: a number from `low` to `high`, or one of `count` categories, 0 to count - 1. */
export type Feature = { low: number; high: number } | { count: number };

/** The part of a feature that a box covers: a stretch, or the categories. */
export type Side = readonly [from: number, to: number] | ReadonlySet<number>;

/** A box, and what the tree predicts in it. */
export interface Leaf {
  box: readonly Side[];
  value: number;
}

/** The leaves of one tree: they cover the space, and no two overlap. */
export type Tree = readonly Leaf[];

const SMALLEST_TO_SPLIT = 3;
const DEEPEST = 64;

/** @returns trees, each grown on as many rows as there are, drawn with replacement */
export function growForest(
  features: readonly Feature[],
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  { trees, random }: { trees: number; random: Generator },
): Tree[] {
  const whole = features.map((feature): Side =>
    "count" in feature ? new Set(Array(feature.count).keys()) : [feature.low, feature.high],
  );
  return Array.from({ length: trees }, () => {
    const drawn = rows.map(() => random.integer(rows.length));
    return grow(features, drawn, rows, targets, whole, 0);
  });
}

function grow(
  features: readonly Feature[],
  members: readonly number[],
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  box: readonly Side[],
  depth: number,
): Leaf[] {
  const split =
    members.length < SMALLEST_TO_SPLIT || depth === DEEPEST
      ? undefined
      : bestSplit(features, members, rows, targets);
  if (split === undefined) return [{ box, value: mean(members.map((i) => targets[i]!)) }];
  const { feature, goesLeft, threshold } = split;
  const [left, right] = halves(box[feature]!, goesLeft, threshold);
  const inside = (side: Side) => box.map((old, i) => (i === feature ? side : old));
  const isLeft = (i: number) => goesLeft(rows[i]![feature]!);
  return [
    ...grow(features, members.filter(isLeft), rows, targets, inside(left), depth + 1),
    ...grow(
      features,
      members.filter((i) => !isLeft(i)),
      rows,
      targets,
      inside(right),
      depth + 1,
    ),
  ];
}

interface Split {
  feature: number;
  goesLeft: (value: number) => boolean;
  /** Of a number. */
  threshold: number;
}

/** The split that leaves the least variance; undefined where none leaves less. */
function bestSplit(
  features: readonly Feature[],
  members: readonly number[],
  rows: readonly (readonly number[])[],
  targets: readonly number[],
): Split | undefined {
  let best: { gain: number; split: Split } | undefined;
  for (const [feature, kind] of features.entries()) {
    // Categories in the order of their means: the best of all splits into two sets is one along it (Fisher, 1958).
    const rank = "count" in kind ? rankByMean(members, feature, rows, targets) : (value: number) => value;
    const sorted = members
      .map((i) => ({ key: rank(rows[i]![feature]!), target: targets[i]! }))
      .sort((a, b) => a.key - b.key);
    const total = sorted.reduce((sum, { target }) => sum + target, 0);
    const before = total ** 2 / sorted.length;
    let left = 0;
    for (let count = 1; count < sorted.length; count++) {
      left += sorted[count - 1]!.target;
      const [below, above] = [sorted[count - 1]!.key, sorted[count]!.key];
      if (below === above) continue;
      const gain = left ** 2 / count + (total - left) ** 2 / (sorted.length - count) - before;
      if (gain <= (best?.gain ?? 1e-12)) continue;
      const threshold = (below + above) / 2;
      best = { gain, split: { feature, goesLeft: (value) => rank(value) < threshold, threshold } };
    }
  }
  return best?.split;
}

/** Categories that no member has come last. */
function rankByMean(
  members: readonly number[],
  feature: number,
  rows: readonly (readonly number[])[],
  targets: readonly number[],
): (value: number) => number {
  const groups = new Map<number, number[]>();
  for (const i of members) {
    const category = rows[i]![feature]!;
    const group = groups.get(category);
    if (group === undefined) groups.set(category, [targets[i]!]);
    else group.push(targets[i]!);
  }
  const ordered = [...groups].sort(([, a], [, b]) => mean(a) - mean(b)).map(([category]) => category);
  return (value) => (ordered.includes(value) ? ordered.indexOf(value) : ordered.length);
}

function halves(side: Side, goesLeft: (value: number) => boolean, threshold: number): [Side, Side] {
  if (!(side instanceof Set)) {
    const [from, to] = side as readonly [number, number];
    return [
      [from, threshold],
      [threshold, to],
    ];
  }
  const categories = [...(side as ReadonlySet<number>)];
  return [new Set(categories.filter(goesLeft)), new Set(categories.filter((value) => !goesLeft(value)))];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
