/** Ends training when a metric has stopped improving. */
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { Stage } from "../data_module.js";
import { Callback } from "./callback.js";
import { checkMode, hasNewMetrics, isBetter, monitoredScore, type Mode } from "./monitoring.js";

export interface EarlyStoppingOptions {
  /** The logged metric to watch. */
  monitor: string;
  /** Whether less or more of it is better. Default: "min". */
  mode?: Mode;
  /** Checks without improvement before training ends. A check follows every validation. Default: 3. */
  patience?: number;
  /** Improvements up to this size do not count. Default: 0. */
  minDelta?: number;
  /** Whether a metric that is NaN or infinite ends training at once. Default: true. */
  checkFinite?: boolean;
}

export class EarlyStopping extends Callback {
  readonly monitor: string;
  readonly mode: Mode;
  readonly patience: number;
  readonly minDelta: number;
  readonly checkFinite: boolean;
  /** Checks since the last improvement. */
  waitCount = 0;
  /** NaN before the first check. */
  bestScore = NaN;
  /** The 0-based epoch after which training was stopped. */
  stoppedEpoch: number | undefined;
  stoppingReason: string | undefined;

  /** @throws ConfigurationError `ERR_MONITOR_MODE` */
  constructor({
    monitor,
    mode = "min",
    patience = 3,
    minDelta = 0,
    checkFinite = true,
  }: EarlyStoppingOptions) {
    super();
    checkMode("EarlyStopping", mode);
    this.monitor = monitor;
    this.mode = mode;
    this.patience = patience;
    this.minDelta = minDelta;
    this.checkFinite = checkFinite;
  }

  override get stateKey(): string {
    return `EarlyStopping(${this.monitor}, ${this.mode})`;
  }

  override get monitors(): boolean {
    return true;
  }

  override setup(_trainer: Trainer, _module: AnyLightningModule, stage: Stage): void {
    if (stage !== "fit") return;
    this.waitCount = 0;
    this.bestScore = NaN;
    this.stoppedEpoch = undefined;
    this.stoppingReason = undefined;
  }

  /** @throws ConfigurationError `ERR_MONITOR_MISSING` where the metric was not logged */
  override onTrainEpochEnd(trainer: Trainer): void {
    if (!hasNewMetrics(trainer)) return;
    const score = monitoredScore(trainer, "EarlyStopping", this.monitor);
    this.stoppingReason = this.#check(score);
    if (this.stoppingReason === undefined) return;
    this.stoppedEpoch = trainer.currentEpoch;
    trainer.shouldStop = true;
  }

  override stateDict(): Record<string, unknown> {
    const { waitCount, bestScore } = this;
    return Number.isFinite(bestScore) ? { waitCount, bestScore } : { waitCount };
  }

  override loadStateDict({ waitCount, bestScore = NaN }: Record<string, unknown>): void {
    this.waitCount = waitCount as number;
    this.bestScore = bestScore as number;
  }

  /** @returns why to stop, if to stop */
  #check(score: number): string | undefined {
    if (this.checkFinite && !Number.isFinite(score)) return `${this.monitor} is ${score}`;
    if (isBetter(score, this.bestScore, this.mode, this.minDelta)) {
      this.bestScore = score;
      this.waitCount = 0;
      return undefined;
    }
    this.waitCount++;
    if (this.waitCount < this.patience) return undefined;
    return `${this.monitor} did not improve in ${this.waitCount} checks; its best was ${this.bestScore}`;
  }
}
