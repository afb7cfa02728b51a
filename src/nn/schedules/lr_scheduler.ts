/** What all schedulers share: an optimizer whose learning rates they set, and a state. */
import { CheckpointError, ConfigurationError } from "../../errors.js";
import type { Optimizer, ParamGroup } from "../optim/optimizer.js";

/** What a checkpoint keeps of a scheduler: plain JSON values. */
export interface LrSchedulerState {
  /** How often `step()` has been called. */
  lastStep: number;
  [name: string]: unknown;
}

/** Sets the learning rate of each parameter group at every `step()`. The Trainer calls it; so does a loop of your own. */
export abstract class LrScheduler {
  readonly optimizer: Optimizer;

  constructor(optimizer: Optimizer) {
    this.optimizer = optimizer;
  }

  /** How often `step()` has been called. */
  abstract get lastStep(): number;

  /**
   * Moves on to the next step. Call it after the optimizer's.
   *
   * @param metric only for schedulers that follow one, such as `ReduceLROnPlateau`
   */
  abstract step(metric?: number): void;

  abstract stateDict(): LrSchedulerState;

  /** @throws CheckpointError `ERR_SCHEDULER_STATE` if the state does not fit the optimizer */
  abstract loadStateDict(state: LrSchedulerState): void;

  /** The learning rate of each group now. */
  getLastLr(): number[] {
    return this.optimizer.paramGroups.map(({ lr }) => lr);
  }
}

/** A parameter group of an optimizer with momentum of either kind. */
export type MomentumGroup = ParamGroup<{
  lr: number;
  momentum?: number;
  betas?: readonly [number, number];
}>;

/**
 * A scheduler whose learning rate is a function of the step and of the rate each group had at first (`initialLr`). It sets
 * step 0 when made. A subclass calls `apply()` at the end of its constructor.
 */
export abstract class LrCurve extends LrScheduler {
  #lastStep = 0;

  /**
   * @param step counted from 0
   * @param initialLr the group's own learning rate
   * @param index the group's number
   */
  abstract lrAt(step: number, initialLr: number, index: number): number;

  /** The momentum (or first beta) at a step, undefined to leave it alone. */
  momentumAt(_step: number, _index: number): number | undefined {
    return undefined;
  }

  override get lastStep(): number {
    return this.#lastStep;
  }

  override step(): void {
    this.#lastStep++;
    this.apply();
  }

  override stateDict(): LrSchedulerState & { initialLrs: number[] } {
    const initialLrs = this.optimizer.paramGroups.map((group) => group.initialLr ?? group.lr);
    return { lastStep: this.#lastStep, initialLrs };
  }

  override loadStateDict(state: LrSchedulerState): void {
    const groups = this.optimizer.paramGroups;
    const initialLrs = state.initialLrs as number[];
    if (groups.length !== initialLrs.length) {
      throw new CheckpointError(
        "ERR_SCHEDULER_STATE",
        `The state is of a schedule over ${initialLrs.length} parameter groups; this optimizer has ` +
          `${groups.length}. Build the optimizer as it was when the state was saved.`,
      );
    }
    this.#lastStep = state.lastStep;
    groups.forEach((group, i) => (group.initialLr = initialLrs[i]!));
    this.apply();
  }

  protected apply(): void {
    (this.optimizer.paramGroups as MomentumGroup[]).forEach((group, index) => {
      group.initialLr ??= group.lr;
      group.lr = this.lrAt(this.#lastStep, group.initialLr, index);
      const momentum = this.momentumAt(this.#lastStep, index);
      if (momentum === undefined) return;
      if (group.betas === undefined) group.momentum = momentum;
      else group.betas = [momentum, group.betas[1]];
    });
  }
}

/** A curve that multiplies each group's own learning rate by the same factor. */
export abstract class LrFactor extends LrCurve {
  /** @param step counted from 0 */
  abstract factorAt(step: number): number;

  override lrAt(step: number, initialLr: number): number {
    return initialLr * this.factorAt(step);
  }
}

/** @throws ConfigurationError `ERR_SCHEDULE` unless the condition holds */
export function requireSchedule(condition: boolean, message: string): void {
  if (!condition) throw new ConfigurationError("ERR_SCHEDULE", message);
}

/** Whether a value is a count of steps. */
export function isCount(value: number, least = 1): boolean {
  return Number.isSafeInteger(value) && value >= least;
}
