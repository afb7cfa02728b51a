/** What ranks have logged over an epoch, put together: sums are added, weighted by what they are of. */
import { ConfigurationError } from "../../errors.js";
import type { SummableMetric } from "../../nn/index.js";
import type { EpochMetric } from "./logged_metric.js";
import type { ResolvedLog } from "./log_rules.js";
import type { EpochSums } from "./metrics_state.js";

/** Hands a value to all ranks, and gives those of all. */
export type Gather = <T>(value: T) => Promise<T[]>;

/** What a rank has logged under a name. */
export interface EpochShare {
  name: string;
  suffix: string;
  log: ResolvedLog;
  /** Of values; undefined for a metric. */
  values?: EpochSums;
  /** What a metric's batches add up to. */
  metric?: readonly number[];
}

/** @throws ConfigurationError `ERR_METRIC_RANKS` for a metric that only knows this rank's batches */
export async function metricSums(name: string, metric: EpochMetric): Promise<readonly number[]> {
  const summable = metric as Partial<SummableMetric>;
  if (summable.sums !== undefined) return summable.sums();
  throw new ConfigurationError(
    "ERR_METRIC_RANKS",
    `log(${JSON.stringify(name)}) was given a ${metric.constructor.name}, which knows only the batches of its own rank. Give it ` +
      "`sums()`, the numbers that its batches add up to, and `computeFrom(sums)`, its value from such numbers of all ranks.",
  );
}

/** What all ranks have logged, by key, those that some have not included. */
export function addShares(shares: readonly (readonly [string, EpochShare])[][]): Map<string, EpochShare> {
  const all = new Map<string, EpochShare>();
  for (const [key, share] of shares.flat()) {
    const known = all.get(key);
    all.set(key, known === undefined ? share : add(known, share));
  }
  return all;
}

function add(first: EpochShare, second: EpochShare): EpochShare {
  const { values: a, metric: m } = first;
  const { values: b, metric: n } = second;
  return {
    ...first,
    ...(a === undefined || b === undefined ? {} : { values: addSums(a, b) }),
    ...(m === undefined || n === undefined ? {} : { metric: addNumbers(m, n) }),
  };
}

function addSums(a: EpochSums, b: EpochSums): EpochSums {
  return {
    sum: a.sum + b.sum,
    weighted: a.weighted + b.weighted,
    weight: a.weight + b.weight,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  };
}

/** A rank without batches may have no numbers. */
function addNumbers(a: readonly number[], b: readonly number[]): readonly number[] {
  const [longer, shorter] = a.length >= b.length ? [a, b] : [b, a];
  return longer.map((value, i) => value + (shorter[i] ?? 0));
}
