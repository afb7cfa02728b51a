/** How the Tuner refuses options. */
import { ConfigurationError } from "../../errors.js";

/** @throws ConfigurationError `ERR_TUNER_OPTION` */
export function requireCount(method: string, name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw optionError(`${method} takes ${name} as an integer of at least ${least}, not ${value}`);
}

export function optionError(problem: string): ConfigurationError {
  return new ConfigurationError("ERR_TUNER_OPTION", `${problem}.`);
}
