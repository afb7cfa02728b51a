/** Logs the learning rate of each parameter group. */
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";

export interface LearningRateMonitorOptions {
  /** Whether to log at each step or at the start of each epoch. Default: "step". */
  loggingInterval?: "step" | "epoch";
}

/** The names are `lr-AdamW`, and with several groups `lr-AdamW/pg1`, `lr-AdamW/pg2`, … */
export class LearningRateMonitor extends Callback {
  readonly #interval: "step" | "epoch";

  constructor({ loggingInterval = "step" }: LearningRateMonitorOptions = {}) {
    super();
    this.#interval = loggingInterval;
  }

  override onTrainEpochStart(trainer: Trainer, module: AnyLightningModule): void {
    if (this.#interval === "epoch") logRates(trainer, module);
  }

  override onTrainBatchStart(trainer: Trainer, module: AnyLightningModule): void {
    if (this.#interval === "step") logRates(trainer, module);
  }
}

function logRates({ optimizer }: Trainer, module: AnyLightningModule): void {
  if (optimizer === undefined) return;
  const name = `lr-${optimizer.constructor.name}`;
  const groups = optimizer.paramGroups;
  groups.forEach(({ lr }, i) => module.log(groups.length === 1 ? name : `${name}/pg${i + 1}`, lr));
}
