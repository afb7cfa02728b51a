/** Schedules for the first steps: a share of the learning rate, constant or growing to all of it. */
import type { Optimizer } from "../optim/optimizer.js";
import { isCount, LrFactor, requireSchedule } from "./lr_scheduler.js";

/** Options of `LinearLR`. */
export interface LinearLROptions {
  /** Factor at step 0, above 0 and at most 1. Default: 1 / 3. */
  startFactor?: number;
  /** Factor from step `totalIters` on, from 0 to 1. Default: 1. */
  endFactor?: number;
  /** Default: 5. */
  totalIters?: number;
}

/** A straight line from `startFactor` to `endFactor`, usually a warm-up. */
export class LinearLR extends LrFactor {
  readonly startFactor: number;
  readonly endFactor: number;
  readonly totalIters: number;

  /** @throws ConfigurationError `ERR_SCHEDULE` for values out of range */
  constructor(
    optimizer: Optimizer,
    { startFactor = 1 / 3, endFactor = 1, totalIters = 5 }: LinearLROptions = {},
  ) {
    super(optimizer);
    requireSchedule(
      startFactor > 0 && startFactor <= 1,
      `LinearLR takes startFactor above 0 and at most 1, not ${startFactor}.`,
    );
    requireSchedule(
      endFactor >= 0 && endFactor <= 1,
      `LinearLR takes endFactor from 0 to 1, not ${endFactor}.`,
    );
    requireSchedule(
      isCount(totalIters),
      `LinearLR takes totalIters as an integer of at least 1, not ${totalIters}.`,
    );
    this.startFactor = startFactor;
    this.endFactor = endFactor;
    this.totalIters = totalIters;
    this.apply();
  }

  override factorAt(step: number): number {
    const { startFactor, endFactor, totalIters } = this;
    return startFactor + ((endFactor - startFactor) * Math.min(step, totalIters)) / totalIters;
  }
}

/** Options of `ConstantLR`. */
export interface ConstantLROptions {
  /** Factor before step `totalIters`, from 0 to 1. Default: 1 / 3. */
  factor?: number;
  /** Default: 5. */
  totalIters?: number;
}

/** A share of the learning rate until step `totalIters`, then all of it. */
export class ConstantLR extends LrFactor {
  readonly factor: number;
  readonly totalIters: number;

  /** @throws ConfigurationError `ERR_SCHEDULE` for values out of range */
  constructor(optimizer: Optimizer, { factor = 1 / 3, totalIters = 5 }: ConstantLROptions = {}) {
    super(optimizer);
    requireSchedule(factor >= 0 && factor <= 1, `ConstantLR takes factor from 0 to 1, not ${factor}.`);
    requireSchedule(
      isCount(totalIters, 0),
      `ConstantLR takes totalIters as an integer of at least 0, not ${totalIters}.`,
    );
    this.factor = factor;
    this.totalIters = totalIters;
    this.apply();
  }

  override factorAt(step: number): number {
    return step < this.totalIters ? this.factor : 1;
  }
}
