/** A schedule from a function. */
import type { Optimizer } from "../optim/optimizer.js";
import { LrCurve } from "./lr_scheduler.js";
import { PerGroup } from "./per_group.js";

type Factor = (step: number) => number;

/** Multiplies each group's own learning rate by a function of the step. The function is not part of the saved state. */
export class LambdaLR extends LrCurve {
  readonly #factors: PerGroup<Factor>;

  /**
   * @param lrLambda takes the step, counted from 0; an array has one for each group
   * @throws ConfigurationError `ERR_SCHEDULE` if there are not as many functions as groups
   */
  constructor(optimizer: Optimizer, lrLambda: Factor | readonly Factor[]) {
    super(optimizer);
    this.#factors = new PerGroup("LambdaLR", "lrLambda", lrLambda, optimizer);
    this.apply();
  }

  override lrAt(step: number, initialLr: number, index: number): number {
    return initialLr * this.#factors.at(index)(step);
  }
}
