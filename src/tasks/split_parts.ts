/** Takes the validation and test parts from the training part. */
import { randomSplit, stratifiedSplit } from "../data/index.js";
import { ConfigurationError } from "../errors.js";
import { selectSamples, type LabeledParts, type LabeledSamples, type SampleNoun } from "./labeled_samples.js";

export interface SplitOptions {
  valSplit?: number | undefined;
  testSplit?: number | undefined;
  seed: number;
  multiLabel: boolean;
  noun: SampleNoun;
}

/** @throws ConfigurationError `ERR_PARTS` where a split and its part are both given, or `train` is not; `ERR_SPLIT` */
export function splitParts<Source>(
  parts: LabeledParts<Source>,
  options: SplitOptions,
): { parts: LabeledParts<Source>; warnings: string[] } {
  const { one, many } = options.noun;
  const warnings = new Set<string>();
  const result: LabeledParts<Source> = { ...parts };
  const total = parts.train?.sources.length ?? 0;
  for (const part of ["test", "val"] as const) {
    const share = options[`${part}Split`];
    if (share === undefined) continue;
    if (parts[part] !== undefined) {
      throw new ConfigurationError("ERR_PARTS", `Give \`${part}\` or \`${part}Split\`, not both.`);
    }
    if (result.train === undefined) {
      throw new ConfigurationError(
        "ERR_PARTS",
        `\`${part}Split\` takes ${many} from \`train\`, which is not given.`,
      );
    }
    const { train, held, single } = split(
      result.train,
      shareOfRest(share, total, result.train.sources.length),
      options,
    );
    for (const name of single) {
      warnings.add(
        `The class ${JSON.stringify(name)} has a single ${one}: it stays in \`train\`, so no other part knows it.`,
      );
    }
    result[part] = selectSamples(result.train, held);
    result.train = selectSamples(result.train, train);
  }
  return { parts: result, warnings: [...warnings] };
}

function split({ sources, classes }: LabeledSamples, share: number, { seed, multiLabel }: SplitOptions) {
  if (multiLabel) return { ...randomSplit(sources.length, share, seed), single: [] };
  return stratifiedSplit(
    classes.map(([name]) => name!),
    share,
    seed,
  );
}

/** A fraction is one of the whole, of which a part may be gone. */
function shareOfRest(share: number, total: number, rest: number): number {
  return share > 0 && share < 1 && rest < total ? Math.max(1, Math.round(share * total)) : share;
}
