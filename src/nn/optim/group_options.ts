/** Checks the options of a parameter group: their names, and the ranges of their values. */
import { ConfigurationError, describeChoices } from "../../errors.js";

/** Which values an option may have. A range holds for each number of an option that has several. */
export interface OptionRange {
  holds: (value: number) => boolean;
  /** Completes "takes lr …". */
  expected: string;
}

export const atLeastZero: OptionRange = {
  holds: (value) => Number.isFinite(value) && value >= 0,
  expected: "of at least 0",
};

export const positive: OptionRange = {
  holds: (value) => Number.isFinite(value) && value > 0,
  expected: "above 0",
};

/** Shares that are kept of a running mean. */
export const belowOne: OptionRange = {
  holds: (value) => value >= 0 && value < 1,
  expected: "from 0 to below 1",
};

const GROUP_KEYS = ["params", "name", "initialLr"];

/**
 * @param defaults all options the optimizer has
 * @throws ConfigurationError `ERR_PARAM_GROUP` for an option the optimizer has not, `ERR_OPTIMIZER_OPTION` for a value
 * out of its range
 */
export function checkGroupOptions(
  optimizer: string,
  group: Readonly<Record<string, unknown>>,
  defaults: object,
  ranges: Readonly<Record<string, OptionRange>>,
): void {
  const names = [...GROUP_KEYS, ...Object.keys(defaults)];
  const unknown = Object.keys(group).find((key) => !names.includes(key));
  if (unknown !== undefined) {
    throw new ConfigurationError(
      "ERR_PARAM_GROUP",
      `${optimizer} was given a group with ${JSON.stringify(unknown)}, which means nothing to it. ` +
        describeChoices(unknown, names),
    );
  }
  for (const [option, { holds, expected }] of Object.entries(ranges)) {
    const value = group[option];
    if ([value].flat().every((number) => typeof number === "number" && holds(number))) continue;
    throw new ConfigurationError(
      "ERR_OPTIMIZER_OPTION",
      `${optimizer} takes ${option} ${expected}, not ${describe(value)}.`,
    );
  }
}

function describe(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
