/** The options of a search, checked, with their defaults. */
import { inspect } from "node:util";
import { ConfigurationError, describeChoices } from "../../../errors.js";
import { getGlobalSeed } from "../../../random.js";
import { durationMilliseconds, type Duration } from "../../duration.js";
import { ASHAPruner, type Pruner } from "./pruner.js";
import { RandomSampler, type SearchSampler } from "./sampler.js";
import type { SearchResult } from "./study.js";
import type { SearchSpace } from "./space.js";
import type { SearchDirection } from "./study_state.js";
import { TPESampler } from "./tpe_sampler.js";

const samplers = { tpe: () => new TPESampler(), random: () => new RandomSampler() };
const pruners = { asha: () => new ASHAPruner(), none: () => undefined };

/** Options of `Tuner.search`. */
export interface SearchOptions<Space extends SearchSpace = SearchSpace> {
  /** Default: "minimize". */
  direction?: SearchDirection;
  /** All trials of the journal, those of other processes and of earlier runs included. Default: 100. */
  maxTrials?: number;
  /** No trial begins after this time; those that run go on to their end. Default: none. */
  timeout?: Duration;
  /** A trial that takes longer fails: its `signal` is aborted, and nobody waits for it. Default: none. */
  trialTimeout?: Duration;
  /** What chooses parameters. Default: "tpe". */
  sampler?: keyof typeof samplers | SearchSampler;
  /** What ends trials early, by what they report. Default: "none". */
  pruner?: keyof typeof pruners | Pruner;
  /** Trials at the same time. Default: 1. */
  concurrency?: number;
  /**
   * A file that keeps every trial. Several processes may search with the same one at the same time, and a search that was
   * killed goes on where it was. Default: none, all is kept in memory.
   */
  journal?: string;
  /** Default: the seed that was given to `seedEverything`. */
  seed?: number;
  /** Calls the search off when it is aborted. */
  signal?: AbortSignal;
  /** Is told of each trial of this process that ends. */
  onTrialEnd?: (trial: SearchResult<Space>) => void;
}

export interface ResolvedSearchOptions {
  direction: SearchDirection;
  maxTrials: number;
  timeout: number | undefined;
  trialTimeout: number | undefined;
  sampler: SearchSampler;
  pruner: Pruner | undefined;
  concurrency: number;
  journal: string | undefined;
  seed: number;
  signal: AbortSignal | undefined;
  onTrialEnd: (trial: SearchResult) => void;
}

/** @throws ConfigurationError `ERR_SEARCH_OPTION`, `ERR_DURATION` */
export function resolveSearchOptions<Space extends SearchSpace>(
  options: SearchOptions<Space>,
): ResolvedSearchOptions {
  const {
    direction = "minimize",
    maxTrials = 100,
    timeout,
    trialTimeout,
    sampler = "tpe",
    pruner = "none",
    concurrency = 1,
    journal,
    seed = getGlobalSeed(),
    signal,
    onTrialEnd = () => undefined,
    ...unknown
  } = options;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined)
    throw optionError(`no option ${JSON.stringify(stranger)}. ${describeChoices(stranger, names)}`);
  if (direction !== "minimize" && direction !== "maximize")
    throw optionError(
      `no direction ${inspect(direction)}. ${describeChoices(String(direction), ["minimize", "maximize"])}`,
    );
  if (maxTrials !== Infinity) requireCount("maxTrials", maxTrials);
  requireCount("concurrency", concurrency);
  if (!Number.isSafeInteger(seed))
    throw optionError(`no use for the seed ${inspect(seed)}: it must be an integer.`);
  if (maxTrials === Infinity && timeout === undefined && signal === undefined)
    throw optionError("no end with maxTrials: Infinity. Give it a timeout or a signal too.");
  return {
    direction,
    maxTrials,
    timeout: optionalMilliseconds(timeout, "The search's option timeout"),
    trialTimeout: optionalMilliseconds(trialTimeout, "The search's option trialTimeout"),
    sampler: typeof sampler === "object" ? sampler : choose("sampler", samplers, sampler)(),
    pruner: typeof pruner === "object" ? pruner : choose("pruner", pruners, pruner)(),
    concurrency,
    journal,
    seed,
    signal,
    onTrialEnd: onTrialEnd as (trial: SearchResult) => void,
  };
}

function optionalMilliseconds(duration: Duration | undefined, option: string): number | undefined {
  return duration === undefined ? undefined : durationMilliseconds(duration, option);
}

const names: (keyof SearchOptions)[] = [
  "direction",
  "maxTrials",
  "timeout",
  "trialTimeout",
  "sampler",
  "pruner",
  "concurrency",
  "journal",
  "seed",
  "signal",
  "onTrialEnd",
];

function choose<Choices extends object, Name extends keyof Choices>(
  option: string,
  choices: Choices,
  name: Name,
): Choices[Name] {
  if (Object.hasOwn(choices, name)) return choices[name];
  throw optionError(`no ${option} ${inspect(name)}. ${describeChoices(String(name), Object.keys(choices))}`);
}

function requireCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw optionError(`use for ${name} only as an integer of at least 1, not ${inspect(value)}.`);
}

function optionError(problem: string): ConfigurationError {
  return new ConfigurationError("ERR_SEARCH_OPTION", `Tuner.search has ${problem}`);
}
