/** Which parameters matter: the share of variance that each explains by itself. */
import { SearchError } from "../../../errors.js";
import { Generator } from "../../../random.js";
import type { Dimension } from "./assignment.js";
import { NumericRange } from "./numeric_range.js";
import { growForest, type Feature, type Side, type Tree } from "./regression_forest.js";
import type { Choice } from "./space.js";
import type { TrialRecord } from "./study_state.js";

/** A parameter, and the share of the values' variance that it explains by itself, 0 to 1. */
export interface ParameterImportance {
  /** Its path, such as "optimizer.sgd.momentum". */
  parameter: string;
  importance: number;
}

const TREES = 64;
const FEWEST_TRIALS = 4;

/** @throws SearchError `ERR_SEARCH_EMPTY` */
export function parameterImportance(
  dimensions: readonly Dimension[],
  trials: readonly TrialRecord[],
): ParameterImportance[] {
  if (trials.length < FEWEST_TRIALS) {
    throw new SearchError(
      "ERR_SEARCH_EMPTY",
      `Importance is learned from at least ${FEWEST_TRIALS} complete trials, and there are ${trials.length}.`,
    );
  }
  const features = dimensions.map(({ parameter }): Feature => {
    if (parameter.type === "categorical") return { count: parameter.choices.length };
    const { low, high } = new NumericRange(parameter);
    return { low, high };
  });
  const columns = dimensions.map((dimension) =>
    trials.map(({ assignment }) => toNumber(dimension, assignment[dimension.path])),
  );
  const rows = trials.map((_, i) => columns.map((column) => column[i]!));
  const targets = trials.map(({ value }) => value!);
  const forest = growForest(features, rows, targets, { trees: TREES, random: new Generator(0) });
  const shares = forest.map((tree) => explainedShares(features, tree));
  return dimensions
    .map(({ path }, feature) => ({
      parameter: path,
      importance: shares.reduce((sum, share) => sum + share[feature]!, 0) / shares.length,
    }))
    .sort((a, b) => b.importance - a.importance);
}

/** On the line of a number; the place of a choice. Where the parameter does not exist, the middle or the first choice. */
function toNumber({ parameter }: Dimension, value: Choice | undefined): number {
  if (parameter.type === "categorical") return Math.max(0, parameter.choices.indexOf(value!));
  const range = new NumericRange(parameter);
  return value === undefined ? (range.low + range.high) / 2 : range.toLine(value as number);
}

/** For each feature, the variance of the tree's mean over all others, as a share of the variance of the tree. */
function explainedShares(features: readonly Feature[], tree: Tree): number[] {
  const sizes = tree.map(({ box }) => box.map((side, i) => shareOf(side, features[i]!)));
  const volumes = sizes.map((sides) => sides.reduce((product, size) => product * size, 1));
  const mean = tree.reduce((sum, { value }, i) => sum + volumes[i]! * value, 0);
  const variance = tree.reduce((sum, { value }, i) => sum + volumes[i]! * (value - mean) ** 2, 0);
  // A tree of one leaf says that nothing matters.
  if (!(variance > 0)) return features.map(() => 0);
  return features.map((feature, index) => {
    const leaves = tree.map(({ box, value }, i) => {
      const size = sizes[i]![index]!;
      return { side: box[index]!, part: size > 0 ? (volumes[i]! / size) * value : 0 };
    });
    const cells =
      "count" in feature ? marginalOfChoices(feature.count, leaves) : marginalOfNumber(feature, leaves);
    return cells.reduce((sum, { share, marginal }) => sum + share * (marginal - mean) ** 2, 0) / variance;
  });
}

/** A stretch of a feature or one of its categories: its share of the range, and the tree's mean over all else there. */
interface Cell {
  share: number;
  marginal: number;
}

/** What a leaf adds to the marginal wherever its side reaches. */
interface LeafPart {
  side: Side;
  part: number;
}

function marginalOfChoices(count: number, leaves: readonly LeafPart[]): Cell[] {
  const marginal = Array<number>(count).fill(0);
  for (const { side, part } of leaves)
    for (const category of side as ReadonlySet<number>) marginal[category]! += part;
  return marginal.map((value) => ({ share: 1 / count, marginal: value }));
}

/** From one end of a box to the next. */
function marginalOfNumber(feature: Feature, leaves: readonly LeafPart[]): Cell[] {
  const changes = new Map<number, number>();
  const change = (at: number, by: number) => changes.set(at, (changes.get(at) ?? 0) + by);
  for (const { side, part } of leaves) {
    const [from, to] = side as readonly [number, number];
    change(from, part);
    change(to, -part);
  }
  const ends = [...changes.keys()].sort((a, b) => a - b);
  let marginal = 0;
  return ends.slice(1).map((to, i) => {
    marginal += changes.get(ends[i]!)!;
    return { share: shareOf([ends[i]!, to], feature), marginal };
  });
}

/** How much of the feature's range a side is. */
function shareOf(side: Side, feature: Feature): number {
  if ("count" in feature) return (side as ReadonlySet<number>).size / feature.count;
  const [from, to] = side as readonly [number, number];
  return feature.high === feature.low ? 1 : (to - from) / (feature.high - feature.low);
}
