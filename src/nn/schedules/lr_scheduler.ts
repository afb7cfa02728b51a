/** Learning rates that follow the steps. */
import { CheckpointError } from "../../errors.js";
import type { Optimizer } from "../optim/optimizer.js";

export interface LrSchedulerState {
  /** How often `step()` has been called. */
  lastStep: number;
  /** The learning rate of each group that the schedule scales. */
  initialLrs: number[];
}

/** Sets the learning rate of every group when made, for step 0, and at each `step()`. */
export abstract class LrScheduler {
  readonly optimizer: Optimizer;
  #lastStep = 0;

  constructor(optimizer: Optimizer) {
    this.optimizer = optimizer;
  }

  /** The learning rate of a group at a step, counted from 0. */
  protected abstract lrAt(step: number, initialLr: number): number;

  get lastStep(): number {
    return this.#lastStep;
  }

  /** Moves on to the next step. Call it after the optimizer's. */
  step(): void {
    this.#lastStep++;
    this.apply();
  }

  stateDict(): LrSchedulerState {
    const initialLrs = this.optimizer.paramGroups.map((group) => group.initialLr ?? group.lr);
    return { lastStep: this.#lastStep, initialLrs };
  }

  /** @throws CheckpointError if the optimizer has another number of groups */
  loadStateDict({ lastStep, initialLrs }: LrSchedulerState): void {
    const groups = this.optimizer.paramGroups;
    if (groups.length !== initialLrs.length) {
      throw new CheckpointError(
        "ERR_SCHEDULER_STATE",
        `The state is of a schedule over ${initialLrs.length} parameter groups; this optimizer has ` +
          `${groups.length}. Build the optimizer as it was when the state was saved.`,
      );
    }
    this.#lastStep = lastStep;
    groups.forEach((group, i) => (group.initialLr = initialLrs[i]!));
    this.apply();
  }

  protected apply(): void {
    for (const group of this.optimizer.paramGroups) {
      group.initialLr ??= group.lr;
      group.lr = this.lrAt(this.#lastStep, group.initialLr);
    }
  }
}

/** Multiplies each group's first learning rate with a function of the step. */
export class LambdaLr extends LrScheduler {
  readonly #factor: (step: number) => number;

  /** @param factor takes the step, counted from 0 */
  constructor(optimizer: Optimizer, factor: (step: number) => number) {
    super(optimizer);
    this.#factor = factor;
    this.apply();
  }

  protected override lrAt(step: number, initialLr: number): number {
    return initialLr * this.#factor(step);
  }
}
