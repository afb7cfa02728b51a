/** Logs the learning rate of each parameter group, and if asked momentum and weight decay. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { Optimizer } from "../../nn/index.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { MetricRecord } from "../types.js";
import { Callback } from "./callback.js";
import { requireLogger } from "./require_logger.js";

/** Options of `LearningRateMonitor`. */
export interface LearningRateMonitorOptions {
  /** Whether to log at each step or at the start of each epoch. Default: "step". */
  loggingInterval?: "step" | "epoch";
  /** Whether to log momentum too, of Adam and its kin the first beta, as `lr-SGD-momentum`. Default: false. */
  logMomentum?: boolean;
  /** Whether to log weight decay too, as `lr-SGD-weight_decay`. Default: false. */
  logWeightDecay?: boolean;
  /** What every name begins with. Default: nothing. */
  logKeyPrefix?: string;
}

/**
 * The names are `lr-AdamW`, with several groups `lr-AdamW/pg1`, `lr-AdamW/pg2`, … or the group's own name
 * (`lr-AdamW/backbone`), and a second optimizer of the same class is `lr-AdamW-1`.
 */
export class LearningRateMonitor extends Callback {
  readonly #options: Required<LearningRateMonitorOptions>;

  /** @throws ConfigurationError `ERR_LOGGING_INTERVAL` */
  constructor({
    loggingInterval = "step",
    logMomentum = false,
    logWeightDecay = false,
    logKeyPrefix = "",
  }: LearningRateMonitorOptions = {}) {
    super();
    if (loggingInterval !== "step" && loggingInterval !== "epoch") {
      throw new ConfigurationError(
        "ERR_LOGGING_INTERVAL",
        `LearningRateMonitor was given the loggingInterval ${JSON.stringify(loggingInterval)}. ` +
          describeChoices(String(loggingInterval), ["step", "epoch"]),
      );
    }
    this.#options = { loggingInterval, logMomentum, logWeightDecay, logKeyPrefix };
  }

  /** @throws ConfigurationError `ERR_LOGGER_MISSING` */
  override setup(trainer: Trainer, _module: AnyLightningModule, stage: string): void {
    if (stage === "fit") requireLogger(trainer, "LearningRateMonitor");
  }

  override onTrainEpochStart(trainer: Trainer, module: AnyLightningModule): void {
    if (this.#options.loggingInterval === "epoch") module.logDict(this.#read(trainer));
  }

  override onTrainBatchStart(trainer: Trainer, module: AnyLightningModule): void {
    if (this.#options.loggingInterval === "step") module.logDict(this.#read(trainer));
  }

  #read({ optimizers }: Trainer): MetricRecord {
    const { logMomentum, logWeightDecay, logKeyPrefix } = this.#options;
    const rates: MetricRecord = {};
    for (const [name, group] of namedGroups(optimizers)) {
      const key = logKeyPrefix + name;
      const { lr, momentum, betas, weightDecay } = group;
      rates[key] = lr;
      if (logMomentum) rates[`${key}-momentum`] = momentum ?? betas?.[0] ?? 0;
      if (logWeightDecay) rates[`${key}-weight_decay`] = weightDecay ?? 0;
    }
    return rates;
  }
}

interface GroupOptions {
  lr: number;
  name?: string;
  momentum?: number;
  betas?: readonly [number, number];
  weightDecay?: number;
}

function* namedGroups(optimizers: readonly Optimizer[]): Generator<[string, GroupOptions]> {
  const seen = new Map<string, number>();
  for (const { constructor, paramGroups } of optimizers) {
    const count = seen.get(constructor.name) ?? 0;
    seen.set(constructor.name, count + 1);
    const name = `lr-${constructor.name}${count === 0 ? "" : `-${count}`}`;
    for (const [i, group] of (paramGroups as GroupOptions[]).entries()) {
      yield [paramGroups.length === 1 ? name : `${name}/${group.name ?? `pg${i + 1}`}`, group];
    }
  }
}
