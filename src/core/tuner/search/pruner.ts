/** What ends trials early that promise little: asynchronous successive halving. */
import { ConfigurationError } from "../../../errors.js";
import { isBetterValue, type SearchDirection, type TrialRecord } from "./study_state.js";

/** What a pruner knows when it decides. */
export interface PrunerContext {
  /** The trial that has just reported. */
  trial: TrialRecord;
  /** All trials so far, by number, this one included. */
  trials: readonly TrialRecord[];
  direction: SearchDirection;
}

/** Decides after each report of a trial whether it is to end. */
export interface Pruner {
  shouldPrune(context: PrunerContext): boolean;
}

/** Options of `ASHAPruner`. */
export interface ASHAPrunerOptions {
  /** The step of the first rung: no trial ends before it. Default: 1. */
  minResource?: number;
  /** Each rung is so many times further than the one before, and one of so many trials passes it. Default: 4. */
  reductionFactor?: number;
}

/**
 * Rungs lie at the steps `minResource`, times `reductionFactor`, times `reductionFactor` again and so on. A trial that reaches
 * one goes on when its value is among the best `1 / reductionFactor` that any trial has had there so far, and always when
 * it is the best; nobody waits for anybody (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, in the form that
 * stops trials rather than pausing them).
 */
export class ASHAPruner implements Pruner {
  readonly #minResource: number;
  readonly #reductionFactor: number;

  /** @throws ConfigurationError `ERR_SEARCH_OPTION` */
  constructor({ minResource = 1, reductionFactor = 4 }: ASHAPrunerOptions = {}) {
    if (!(minResource > 0) || !Number.isFinite(minResource))
      throw optionError(`minResource as a number above 0, not ${minResource}`);
    if (!Number.isFinite(reductionFactor) || reductionFactor < 2)
      throw optionError(`reductionFactor as a number of at least 2, not ${reductionFactor}`);
    this.#minResource = minResource;
    this.#reductionFactor = reductionFactor;
  }

  shouldPrune({ trial, trials, direction }: PrunerContext): boolean {
    const { reports } = trial;
    const last = reports.at(-1);
    if (last === undefined) return false;
    if (Number.isNaN(last.value)) return true;
    const rung = this.#rungBelow(last.step);
    // Judged once at each rung: where it has reported beyond this one before, it has passed.
    if (rung === undefined || reports.slice(0, -1).some(({ step }) => step >= rung)) return false;
    const rivals = trials
      .filter(({ number }) => number !== trial.number)
      .map((other) => other.reports.find(({ step }) => step >= rung)?.value)
      .filter((value) => value !== undefined);
    const better = rivals.filter((value) => isBetterValue(value, last.value, direction)).length;
    return better >= Math.max(1, Math.floor((rivals.length + 1) / this.#reductionFactor));
  }

  #rungBelow(step: number): number | undefined {
    if (step < this.#minResource) return undefined;
    let rung = this.#minResource;
    while (rung * this.#reductionFactor <= step) rung *= this.#reductionFactor;
    return rung;
  }
}

function optionError(problem: string): ConfigurationError {
  return new ConfigurationError("ERR_SEARCH_OPTION", `ASHAPruner takes ${problem}.`);
}
