/** Learning rates that fall in stairs. */
import type { Optimizer } from "../optim/optimizer.js";
import { isCount, LrFactor, requireSchedule } from "./lr_scheduler.js";

/** Options of `StepLR`. */
export interface StepLROptions {
  /** Steps between two falls. */
  stepSize: number;
  /** What the learning rate is multiplied by. Default: 0.1. */
  gamma?: number;
}

/** Multiplies the learning rate by `gamma` every `stepSize` steps. */
export class StepLR extends LrFactor {
  readonly stepSize: number;
  readonly gamma: number;

  /** @throws ConfigurationError `ERR_SCHEDULE` unless stepSize is an integer of at least 1 */
  constructor(optimizer: Optimizer, { stepSize, gamma = 0.1 }: StepLROptions) {
    super(optimizer);
    requireSchedule(isCount(stepSize), `StepLR takes stepSize as an integer of at least 1, not ${stepSize}.`);
    this.stepSize = stepSize;
    this.gamma = gamma;
    this.apply();
  }

  override factorAt(step: number): number {
    return this.gamma ** Math.floor(step / this.stepSize);
  }
}

/** Options of `MultiStepLR`. */
export interface MultiStepLROptions {
  /** The steps, counted from 0, at which the learning rate falls; twice the same for two falls at once. */
  milestones: readonly number[];
  /** What the learning rate is multiplied by. Default: 0.1. */
  gamma?: number;
}

/** Multiplies the learning rate by `gamma` at each milestone. */
export class MultiStepLR extends LrFactor {
  readonly milestones: readonly number[];
  readonly gamma: number;

  /** @throws ConfigurationError `ERR_SCHEDULE` unless milestones are integers of at least 0 */
  constructor(optimizer: Optimizer, { milestones, gamma = 0.1 }: MultiStepLROptions) {
    super(optimizer);
    requireSchedule(
      milestones.every((milestone) => isCount(milestone, 0)),
      `MultiStepLR takes milestones as integers of at least 0, not ${milestones.join(", ")}.`,
    );
    this.milestones = [...milestones];
    this.gamma = gamma;
    this.apply();
  }

  override factorAt(step: number): number {
    return this.gamma ** this.milestones.filter((milestone) => milestone <= step).length;
  }
}
