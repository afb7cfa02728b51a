/** A trial as its objective sees it. */
import { ConfigurationError, KindlingError } from "../../../errors.js";

/** What an objective throws to end a trial that is to be pruned. Returning ends it as well. */
export class TrialPruned extends KindlingError {
  constructor() {
    super("ERR_TRIAL_PRUNED", "The trial was pruned: others were better at the same step.");
  }
}

/** The second argument of an objective. */
export class SearchTrial {
  /** From 0, in the order in which trials began. */
  readonly number: number;
  /** Aborted when the trial's time is over or the search is called off. */
  readonly signal: AbortSignal;
  readonly #tell: (value: number, step: number) => Promise<boolean>;
  #shouldPrune = false;
  #lastStep = -Infinity;

  /** @internal @param tell notes a report, and says whether the trial is to end */
  constructor(number: number, signal: AbortSignal, tell: (value: number, step: number) => Promise<boolean>) {
    this.number = number;
    this.signal = signal;
    this.#tell = tell;
  }

  /** Whether a report has led the pruner to end this trial. Whatever the objective does then, the trial counts as pruned. */
  get shouldPrune(): boolean {
    return this.#shouldPrune;
  }

  /**
   * Tells the search how the trial stands.
   *
   * @param value of the same kind as the objective's result
   * @param step what the trial has used up: epochs or optimizer steps, counted from 1. It rises from report to report.
   * @throws ConfigurationError `ERR_SEARCH_REPORT`
   */
  async report(value: number, step: number): Promise<void> {
    if (typeof value !== "number" || !Number.isFinite(step) || step <= this.#lastStep) {
      throw new ConfigurationError(
        "ERR_SEARCH_REPORT",
        `report takes a number and a step that is larger than the one before, not ${String(value)} at step ${step} ` +
          `(the last was ${this.#lastStep === -Infinity ? "none" : this.#lastStep}).`,
      );
    }
    this.#lastStep = step;
    if (await this.#tell(value, step)) this.#shouldPrune = true;
  }
}
