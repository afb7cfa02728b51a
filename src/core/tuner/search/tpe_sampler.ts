/** Learns from finished trials where good parameters lie: the tree-structured Parzen estimator. */
import { ConfigurationError } from "../../../errors.js";
import type { Generator } from "../../../random.js";
import { assign, type Assignment, type Dimension } from "./assignment.js";
import { ParzenEstimator } from "./parzen_estimator.js";
import { drawEvenly, sampleEvenly, type SearchSampler, type SearchSamplerContext } from "./sampler.js";
import { compareTrials, type TrialRecord } from "./study_state.js";

/** Options of `TPESampler`. */
export interface TPESamplerOptions {
  /** Trials that are drawn at random before it begins to learn. Default: 10. */
  startupTrials?: number;
  /** Candidates among which it takes the most promising. Default: 24. */
  candidates?: number;
}

/** Trials that count as good: a share of them, and no more than these. */
const GOOD_SHARE = 0.1;
const MOST_GOOD = 25;

/**
 * Splits the finished trials into the best tenth and the others, estimates the density of the parameters of each, draws
 * candidates from that of the good ones and takes the one whose density among the good is largest beside that among the
 * others (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011). Parameters of one level of a space are
 * estimated together, those of a branch by the trials that took it. Pruned trials come after the completed ones, those
 * that went further first; running trials count as others, so that trials at the same time do not try the same; failed ones are left out.
 */
export class TPESampler implements SearchSampler {
  readonly #startupTrials: number;
  readonly #candidates: number;

  /** @throws ConfigurationError `ERR_SEARCH_OPTION` */
  constructor({ startupTrials = 10, candidates = 24 }: TPESamplerOptions = {}) {
    requireCount("startupTrials", startupTrials);
    requireCount("candidates", candidates);
    this.#startupTrials = startupTrials;
    this.#candidates = candidates;
  }

  sample({ space, direction, trials, random }: SearchSamplerContext): Assignment {
    const finished = trials
      .filter(({ state }) => state === "complete" || state === "pruned")
      .sort(compareTrials(direction));
    if (finished.length < this.#startupTrials) return sampleEvenly(space, random);
    const count = Math.min(Math.ceil(GOOD_SHARE * finished.length), MOST_GOOD);
    const running = trials.filter(({ state }) => state === "running");
    const good = finished.slice(0, count);
    const others = [...finished.slice(count), ...running];
    return assign(space, (dimensions) => this.#choose(dimensions, good, others, random));
  }

  #choose(
    dimensions: readonly Dimension[],
    good: readonly TrialRecord[],
    others: readonly TrialRecord[],
    random: Generator,
  ): Assignment {
    const promising = estimate(dimensions, good);
    const rest = estimate(dimensions, others);
    if (promising === undefined) return drawEvenly(dimensions, random);
    let best: { candidate: Assignment; score: number } | undefined;
    for (let i = 0; i < this.#candidates; i++) {
      const candidate = promising.sample(random);
      const score = promising.logDensity(candidate) - (rest?.logDensity(candidate) ?? 0);
      if (best === undefined || score > best.score) best = { candidate, score };
    }
    return best!.candidate;
  }
}

/** From the trials that have all of the parameters; undefined where none has. */
function estimate(
  dimensions: readonly Dimension[],
  trials: readonly TrialRecord[],
): ParzenEstimator | undefined {
  const observed = trials
    .map(({ assignment }) => assignment)
    .filter((assignment) => dimensions.every(({ path }) => path in assignment));
  if (observed.length === 0) return undefined;
  return new ParzenEstimator(
    dimensions,
    observed,
    observed.map(() => 1),
  );
}

function requireCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new ConfigurationError(
    "ERR_SEARCH_OPTION",
    `TPESampler takes ${name} as an integer of at least 1, not ${value}.`,
  );
}
