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

  /**
   * Right after the optimizer's step, with what the step logged; before hooks that may save a checkpoint.
   *
   * @param count optimizer steps, this one included
   */
  async afterStep(count: number): Promise<void> {
    for (const config of this.#configs) if (config.interval === "step") await this.#step(config, count);
  }

  /** After an epoch's last batch. @param count epochs, this one included */
  async afterEpoch(count: number): Promise<void> {
    await this.#afterEpoch(count, false);
  }

  /** When everything of the epoch is logged. @param count epochs, this one included */
  async plateausAfterEpoch(count: number): Promise<void> {
    await this.#afterEpoch(count, true);
  }

  async #afterEpoch(count: number, reduceOnPlateau: boolean): Promise<void> {
    for (const config of this.#configs) {
      if (config.interval !== "epoch" || config.reduceOnPlateau !== reduceOnPlateau) continue;
      await this.#step(config, count);
    }
  }

  async #step(config: LrSchedulerConfig, count: number): Promise<void> {
    const { scheduler, frequency, reduceOnPlateau } = config;
    if (count % frequency !== 0) return;
    const own = reduceOnPlateau ? this.#metricOf(config) : undefined;
    const metric = reduceOnPlateau ? await this.#trainer.strategy.broadcast(own) : undefined;
    if (reduceOnPlateau && metric === undefined) return;
    await this.#hooks.callHook(this.#hooks.module, "lrSchedulerStep", scheduler, metric);
  }

  /** @throws ConfigurationError `ERR_MONITOR_MISSING` where a strict scheduler's metric was not logged */
  #metricOf({ scheduler, monitor, strict }: LrSchedulerConfig): number | undefined {
    if (strict) return monitoredScore(this.#trainer, scheduler.constructor.name, monitor!);
    return this.#trainer.callbackMetrics[monitor!];
  }
}
