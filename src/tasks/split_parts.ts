/** Takes the validation and test parts from the training part. */
import { randomSplit, stratifiedSplit, type Split } from "../data/index.js";
import { ConfigurationError } from "../errors.js";
import {
  selectSamples,
  type LABELED_PARTS,
  type LabeledParts,
  type LabeledSamples,
  type SampleNoun,
} from "./labeled_samples.js";

interface Shares {
  valSplit?: number | undefined;
  testSplit?: number | undefined;
  noun: SampleNoun;
}

export interface SplitOptions extends Shares {
  seed: number;
  multiLabel: boolean;
}

/** How the samples of a part are counted, divided and chosen. */
interface Samples<Part> {
  count: (part: Part) => number;
  /** @param share of these samples: a fraction, or a number */
  divide: (part: Part, share: number) => Split;
  select: (part: Part, indices: readonly number[]) => Part;
}

/** @throws ConfigurationError `ERR_PARTS` where a split and its part are both given, or `train` is not; `ERR_SPLIT` */
export function splitParts<Source>(
  parts: LabeledParts<Source>,
  { seed, multiLabel, ...shares }: SplitOptions,
): { parts: LabeledParts<Source>; warnings: string[] } {
  const warnings = new Set<string>();
  const divide = ({ sources, classes }: LabeledSamples<Source>, share: number): Split => {
    if (multiLabel) return randomSplit(sources.length, share, seed);
    const targets = classes.map(([name]) => name!);
    const { single, ...split } = stratifiedSplit(targets, share, seed);
    for (const name of single) {
      warnings.add(
        `The class ${JSON.stringify(name)} has a single ${shares.noun.one}: it stays in \`train\`, so no other part knows it.`,
      );
    }
    return split;
  };
  const samples = { count: ({ sources }: LabeledSamples<Source>) => sources.length, divide };
  return { parts: takeParts(parts, shares, { ...samples, select: selectSamples }), warnings: [...warnings] };
}

/** As `splitParts`, of parts that are lists, with no regard to classes. @throws as `splitParts` */
export function splitLists<Item>(
  parts: Partial<Record<(typeof LABELED_PARTS)[number], Item[]>>,
  { seed, ...shares }: Shares & { seed: number },
): typeof parts {
  return takeParts(parts, shares, {
    count: (items) => items.length,
    divide: (items, share) => randomSplit(items.length, share, seed),
    select: (items, indices) => indices.map((i) => items[i]!),
  });
}

/** As `splitParts`, of parts of any kind. @throws as `splitParts` */
export function takeParts<Part>(
  parts: Partial<Record<(typeof LABELED_PARTS)[number], Part>>,
  { noun, ...shares }: Shares,
  { count, divide, select }: Samples<Part>,
): typeof parts {
  const result = { ...parts };
  const total = parts.train === undefined ? 0 : count(parts.train);
  for (const part of ["test", "val"] as const) {
    const share = shares[`${part}Split`];
    if (share === undefined) continue;
    if (parts[part] !== undefined)
      throw new ConfigurationError("ERR_PARTS", `Give \`${part}\` or \`${part}Split\`, not both.`);
    const rest = result.train;
    if (rest === undefined) {
      throw new ConfigurationError(
        "ERR_PARTS",
        `\`${part}Split\` takes ${noun.many} from \`train\`, which is not given.`,
      );
    }
    const { train, held } = divide(rest, shareOfRest(share, total, count(rest)));
    result[part] = select(rest, held);
    result.train = select(rest, train);
  }
  return result;
}

/** A fraction is one of the whole, of which a part may be gone. */
function shareOfRest(share: number, total: number, rest: number): number {
  return share > 0 && share < 1 && rest < total ? Math.max(1, Math.round(share * total)) : share;
}
