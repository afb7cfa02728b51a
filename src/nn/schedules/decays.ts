/** Learning rates that fall smoothly, without a cosine. */
import type { Optimizer } from "../optim/optimizer.js";
import { isCount, LrFactor, requireSchedule } from "./lr_scheduler.js";

/** Multiplies the learning rate by `gamma` at each step. */
export class ExponentialLR extends LrFactor {
  readonly gamma: number;

  constructor(optimizer: Optimizer, { gamma }: { gamma: number }) {
    super(optimizer);
    this.gamma = gamma;
    this.apply();
  }

  override factorAt(step: number): number {
    return this.gamma ** step;
  }
}

/** Options of `PolynomialLR`. */
export interface PolynomialLROptions {
  /** Steps until the learning rate is 0. Default: 5. */
  totalIters?: number;
  /** 1 is a straight line. Default: 1. */
  power?: number;
}

/** At step t the factor is (1 - t / totalIters) ** power. */
export class PolynomialLR extends LrFactor {
  readonly totalIters: number;
  readonly power: number;

  /** @throws ConfigurationError `ERR_SCHEDULE` unless totalIters is an integer of at least 1 */
  constructor(optimizer: Optimizer, { totalIters = 5, power = 1 }: PolynomialLROptions = {}) {
    super(optimizer);
    requireSchedule(
      isCount(totalIters),
      `PolynomialLR takes totalIters as an integer of at least 1, not ${totalIters}.`,
    );
    this.totalIters = totalIters;
    this.power = power;
    this.apply();
  }

  override factorAt(step: number): number {
    return (1 - Math.min(step, this.totalIters) / this.totalIters) ** this.power;
  }
}
