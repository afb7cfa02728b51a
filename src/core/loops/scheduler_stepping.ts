/** Steps the learning rate schedulers of automatic optimization, through the module's `lrSchedulerStep`. */
import { monitoredScore } from "../callbacks/monitoring.js";
import type { LrSchedulerConfig } from "../configure_optimizers.js";
import type { Hooks } from "../hooks.js";
import type { Trainer } from "../trainer.js";

export class SchedulerStepping {
  readonly #trainer: Trainer;
  readonly #hooks: Hooks;
  readonly #configs: readonly LrSchedulerConfig[];

  constructor(trainer: Trainer, hooks: Hooks, configs: readonly LrSchedulerConfig[]) {
    this.#trainer = trainer;
    this.#hooks = hooks;
    this.#configs = configs;
  }

  /** Right after the optimizer's step. @param count optimizer steps, this one included */
  async afterStep(count: number): Promise<void> {
    await this.#step("step", false, count);
  }

  /** When everything of the batch is logged, validation included. @param count optimizer steps, this one included */
  async plateausAfterStep(count: number): Promise<void> {
    await this.#step("step", true, count);
  }

  /** After an epoch's last batch. @param count epochs, this one included */
  async afterEpoch(count: number): Promise<void> {
    await this.#step("epoch", false, count);
  }

  /** When everything of the epoch is logged. @param count epochs, this one included */
  async plateausAfterEpoch(count: number): Promise<void> {
    await this.#step("epoch", true, count);
  }

  async #step(interval: "step" | "epoch", reduceOnPlateau: boolean, count: number): Promise<void> {
    for (const config of this.#configs) {
      if (config.interval !== interval || config.reduceOnPlateau !== reduceOnPlateau) continue;
      if (count % config.frequency !== 0) continue;
      const metric = reduceOnPlateau ? this.#metricOf(config) : undefined;
      if (reduceOnPlateau && metric === undefined) continue;
      await this.#hooks.callHook(this.#hooks.module, "lrSchedulerStep", config.scheduler, metric);
    }
  }

  /** @throws ConfigurationError `ERR_MONITOR_MISSING` where a strict scheduler's metric was not logged */
  #metricOf({ scheduler, monitor, strict }: LrSchedulerConfig): number | undefined {
    if (strict) return monitoredScore(this.#trainer, scheduler.constructor.name, monitor!);
    return this.#trainer.callbackMetrics[monitor!];
  }
}
