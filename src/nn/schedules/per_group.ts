/** Options of a schedule that are one value for all parameter groups, or an array with one for each. */
import type { Optimizer } from "../optim/optimizer.js";
import { requireSchedule } from "./lr_scheduler.js";

export class PerGroup<T extends number | ((step: number) => number)> {
  readonly #owner: string;
  readonly #values: T | readonly T[];

  /** @throws ConfigurationError `ERR_SCHEDULE` unless an array has as many values as the optimizer has groups */
  constructor(owner: string, option: string, values: T | readonly T[], optimizer: Optimizer) {
    const groups = optimizer.paramGroups.length;
    requireSchedule(
      !isArray(values) || values.length === groups,
      `${owner} takes one ${option}, or one for each of the ${groups} parameter groups` +
        (isArray(values) ? `, not ${values.length}.` : "."),
    );
    this.#owner = `${owner}'s ${option}`;
    this.#values = values;
  }

  /** @throws ConfigurationError `ERR_SCHEDULE` for a group that was added later where there are values for each group */
  at(group: number): T {
    if (!isArray(this.#values)) return this.#values;
    const value = this.#values[group];
    requireSchedule(
      value !== undefined,
      `${this.#owner} was given for ${this.#values.length} parameter groups, and the optimizer has more now. ` +
        "Give one value for all groups.",
    );
    return value!;
  }
}

function isArray<T>(values: T | readonly T[]): values is readonly T[] {
  return Array.isArray(values);
}
