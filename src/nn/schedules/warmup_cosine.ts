/** The schedule most fine-tuning uses: a linear start, then half a cosine. */
import type { Optimizer } from "../optim/optimizer.js";
import { halfCosine } from "./cosine_annealing.js";
import { LrCurve, requireSchedule } from "./lr_scheduler.js";

/** Options of `WarmupCosine`. */
export interface WarmupCosineOptions {
  /** Steps of the linear start; between 0 and 1 a share of `totalSteps`. Default: 0. */
  warmupSteps?: number;
  /** Steps until the end of the cosine. The learning rate stays at `minLr` from there on. */
  totalSteps: number;
  /** Learning rate at the end, for every group. Default: 0. */
  minLr?: number;
}

/**
 * With w warm-up steps, step s < w has (s + 1) / (w + 1) of each group's learning rate; then it follows half a cosine
 * down to `minLr` (Loshchilov and Hutter, "SGDR", 2017, without restarts).
 */
export class WarmupCosine extends LrCurve {
  readonly warmupSteps: number;
  readonly totalSteps: number;
  readonly minLr: number;

  /** @throws ConfigurationError unless 0 <= warmupSteps <= totalSteps and totalSteps >= 1 */
  constructor(optimizer: Optimizer, { warmupSteps = 0, totalSteps, minLr = 0 }: WarmupCosineOptions) {
    super(optimizer);
    this.warmupSteps = warmupSteps < 1 ? Math.round(warmupSteps * totalSteps) : warmupSteps;
    this.totalSteps = totalSteps;
    this.minLr = minLr;
    requireSchedule(
      totalSteps >= 1 && warmupSteps >= 0 && this.warmupSteps <= totalSteps,
      `WarmupCosine takes totalSteps of at least 1 and warmupSteps from 0 to totalSteps, ` +
        `not ${totalSteps} and ${warmupSteps}.`,
    );
    this.apply();
  }

  override lrAt(step: number, initialLr: number): number {
    const { warmupSteps, totalSteps, minLr } = this;
    if (step < warmupSteps) return (initialLr * (step + 1)) / (warmupSteps + 1);
    if (step >= totalSteps) return minLr;
    return halfCosine(initialLr, minLr, (step - warmupSteps) / (totalSteps - warmupSteps));
  }
}
