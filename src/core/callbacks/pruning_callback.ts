/** Reports a metric of each epoch to a search, and ends training when the search prunes the trial. */
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { SearchTrial } from "../tuner/search/search_trial.js";
import { Callback } from "./callback.js";
import { hasNewMetrics, monitoredScore } from "./monitoring.js";

/** Options of `PruningCallback`. */
export interface PruningCallbackOptions {
  /** The trial that the objective was given. */
  trial: SearchTrial;
  /** The logged metric to report; what the objective returns in the end. */
  monitor: string;
}

/**
 * After each epoch whose metrics are new, `trial.report` gets the metric, with the epochs so far as its step. Where the trial
 * is pruned, or its time is over, training ends in good order: `fit` returns, and what the objective returns does not count.
 */
export class PruningCallback extends Callback {
  readonly #trial: SearchTrial;
  readonly #monitor: string;

  constructor({ trial, monitor }: PruningCallbackOptions) {
    super();
    this.#trial = trial;
    this.#monitor = monitor;
  }

  override get monitors(): boolean {
    return true;
  }

  override onTrainBatchEnd(trainer: Trainer): void {
    if (this.#trial.signal.aborted) trainer.shouldStop = true;
  }

  /** @throws ConfigurationError `ERR_MONITOR_MISSING` where the metric was not logged */
  override async onTrainEpochEnd(trainer: Trainer, _module: AnyLightningModule): Promise<void> {
    if (!hasNewMetrics(trainer)) return;
    const score = monitoredScore(trainer, "PruningCallback", this.#monitor);
    await this.#trial.report(score, trainer.currentEpoch + 1);
    if (this.#trial.shouldPrune) trainer.shouldStop = true;
  }
}
