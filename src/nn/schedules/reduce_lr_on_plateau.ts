/** Lowers the learning rate when a metric has stopped improving. */
import type { Optimizer } from "../optim/optimizer.js";
import { isCount, LrScheduler, requireSchedule, type LrSchedulerState } from "./lr_scheduler.js";
import { PerGroup } from "./per_group.js";

/** Options of `ReduceLROnPlateau`. */
export interface ReduceLROnPlateauOptions {
  /** Whether less or more of the metric is better. Default: "min". */
  mode?: "min" | "max";
  /** What the learning rate is multiplied by; below 1. Default: 0.1. */
  factor?: number;
  /** Steps without improvement that are waited for; the next one lowers the learning rate. Default: 10. */
  patience?: number;
  /** What counts as an improvement. Default: 1e-4. */
  threshold?: number;
  /** Whether the threshold is a share of the best value or a difference from it. Default: "rel". */
  thresholdMode?: "rel" | "abs";
  /** Steps after a reduction that do not count. Default: 0. */
  cooldown?: number;
  /** The lowest learning rate, for all groups or for each. Default: 0. */
  minLr?: number | readonly number[];
  /** Smaller changes of the learning rate are left out. Default: 1e-8. */
  eps?: number;
}

/** In a LightningModule it needs a `monitor`, and is stepped after that metric is known. */
export class ReduceLROnPlateau extends LrScheduler {
  readonly mode: "min" | "max";
  readonly #options: Required<Omit<ReduceLROnPlateauOptions, "mode" | "minLr">>;
  readonly #minLr: PerGroup<number>;
  #lastStep = 0;
  #best: number;
  #numBadSteps = 0;
  #cooldownCounter = 0;

  /** @throws ConfigurationError `ERR_SCHEDULE` for values out of range */
  constructor(
    optimizer: Optimizer,
    {
      mode = "min",
      factor = 0.1,
      patience = 10,
      threshold = 1e-4,
      thresholdMode = "rel",
      cooldown = 0,
      minLr = 0,
      eps = 1e-8,
    }: ReduceLROnPlateauOptions = {},
  ) {
    super(optimizer);
    requireSchedule(
      factor > 0 && factor < 1,
      `ReduceLROnPlateau takes factor between 0 and 1, not ${factor}.`,
    );
    requireSchedule(
      isCount(patience, 0) && isCount(cooldown, 0),
      `ReduceLROnPlateau takes patience and cooldown as integers of at least 0, not ${patience} and ${cooldown}.`,
    );
    this.mode = mode;
    this.#options = { factor, patience, threshold, thresholdMode, cooldown, eps };
    this.#minLr = new PerGroup("ReduceLROnPlateau", "minLr", minLr, optimizer);
    this.#best = mode === "min" ? Infinity : -Infinity;
  }

  override get lastStep(): number {
    return this.#lastStep;
  }

  /** @throws ConfigurationError `ERR_SCHEDULE` without the metric */
  override step(metric?: number): void {
    requireSchedule(
      typeof metric === "number",
      "ReduceLROnPlateau follows a metric: call step(metric) with a number.",
    );
    const { patience, cooldown } = this.#options;
    this.#lastStep++;
    if (this.#isBetter(metric!)) {
      this.#best = metric!;
      this.#numBadSteps = 0;
    } else this.#numBadSteps++;
    if (this.#cooldownCounter > 0) {
      this.#cooldownCounter--;
      this.#numBadSteps = 0;
    }
    if (this.#numBadSteps <= patience) return;
    this.#reduce();
    this.#cooldownCounter = cooldown;
    this.#numBadSteps = 0;
  }

  override stateDict(): LrSchedulerState {
    return {
      lastStep: this.#lastStep,
      best: Number.isFinite(this.#best) ? this.#best : null,
      numBadSteps: this.#numBadSteps,
      cooldownCounter: this.#cooldownCounter,
    };
  }

  /** The learning rates themselves are in the optimizer's state. */
  override loadStateDict(state: LrSchedulerState): void {
    this.#lastStep = state.lastStep;
    this.#best = (state.best as number | null) ?? (this.mode === "min" ? Infinity : -Infinity);
    this.#numBadSteps = state.numBadSteps as number;
    this.#cooldownCounter = state.cooldownCounter as number;
  }

  #isBetter(metric: number): boolean {
    const { threshold, thresholdMode } = this.#options;
    const sign = this.mode === "min" ? -1 : 1;
    if (thresholdMode === "abs") return sign * metric > sign * (this.#best + sign * threshold);
    return sign * metric > sign * (this.#best * (1 + sign * threshold));
  }

  #reduce(): void {
    const { factor, eps } = this.#options;
    this.optimizer.paramGroups.forEach((group, i) => {
      const next = Math.max(group.lr * factor, this.#minLr.at(i));
      if (group.lr - next > eps) group.lr = next;
    });
  }
}
