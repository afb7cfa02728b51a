/** Schedulers made of schedulers: one after the other, or all at once. */
import type { Optimizer } from "../optim/optimizer.js";
import { isCount, LrCurve, requireSchedule } from "./lr_scheduler.js";

/** The state is the combination's own: the parts are functions of the step. */
abstract class CombinedLr extends LrCurve {
  protected readonly parts: readonly LrCurve[];

  constructor(optimizer: Optimizer, parts: readonly LrCurve[]) {
    super(optimizer);
    const name = new.target.name;
    requireSchedule(parts.length > 0, `${name} takes at least one scheduler.`);
    const other = parts.find((part) => !(part instanceof LrCurve)) as object | undefined;
    requireSchedule(
      other === undefined,
      `${name} combines schedulers that are functions of the step, which ${other?.constructor.name} is not.`,
    );
    requireSchedule(
      parts.every((part) => part.optimizer === optimizer),
      `${name} takes schedulers of its own optimizer, and one belongs to another.`,
    );
    this.parts = [...parts];
  }
}

/** Runs each scheduler from its milestone on, from its own step 0. */
export class SequentialLR extends CombinedLr {
  readonly milestones: readonly number[];

  /**
   * @param milestones the steps, counted from 0, at which the second scheduler and those after it begin
   * @throws ConfigurationError `ERR_SCHEDULE` unless milestones are rising integers, one less than schedulers
   */
  constructor(
    optimizer: Optimizer,
    { schedulers, milestones }: { schedulers: readonly LrCurve[]; milestones: readonly number[] },
  ) {
    super(optimizer, schedulers);
    requireSchedule(
      milestones.length === schedulers.length - 1,
      `SequentialLR takes one milestone less than schedulers, not ${milestones.length} for ${schedulers.length}.`,
    );
    requireSchedule(
      milestones.every((milestone, i) => isCount(milestone) && milestone > (milestones[i - 1] ?? 0)),
      `SequentialLR takes milestones as rising integers of at least 1, not ${milestones.join(", ")}.`,
    );
    this.milestones = [...milestones];
    this.apply();
  }

  override lrAt(step: number, initialLr: number, index: number): number {
    const { part, start } = this.#partAt(step);
    return part.lrAt(step - start, initialLr, index);
  }

  override momentumAt(step: number, index: number): number | undefined {
    const { part, start } = this.#partAt(step);
    return part.momentumAt(step - start, index);
  }

  #partAt(step: number): { part: LrCurve; start: number } {
    const number = this.milestones.filter((milestone) => milestone <= step).length;
    return { part: this.parts[number]!, start: this.milestones[number - 1] ?? 0 };
  }
}

/** All schedulers at once: each scales what the one before it gives. */
export class ChainedScheduler extends CombinedLr {
  /** @throws ConfigurationError `ERR_SCHEDULE` for no schedulers, or schedulers of several optimizers */
  constructor(schedulers: readonly LrCurve[]) {
    requireSchedule(schedulers.length > 0, "ChainedScheduler takes at least one scheduler.");
    super(schedulers[0]!.optimizer, schedulers);
    this.apply();
  }

  override lrAt(step: number, initialLr: number, index: number): number {
    return this.parts.reduce((lr, part) => part.lrAt(step, lr, index), initialLr);
  }

  override momentumAt(step: number, index: number): number | undefined {
    return this.parts
      .map((part) => part.momentumAt(step, index))
      .findLast((momentum) => momentum !== undefined);
  }
}
