/** What `save` and `load` do with the objects of a state. */
import * as tf from "@tensorflow/tfjs-core";
import { CheckpointError, ConfigurationError, describeChoices } from "../../errors.js";
import { isPlainObject } from "../../nested.js";
import { toHost } from "../to_device.js";

/** Decides which entries of an object's state dict are saved. */
export type StateFilter = (name: string, value: unknown) => boolean;

/** An object whose state can be saved and loaded. */
export interface Stateful {
  stateDict(): unknown;
  loadStateDict(state: never, options?: { strict?: boolean }): unknown;
}

/** In host memory: objects with `stateDict` by what it gives, tensors copied, the rest as it is. */
export async function collectState(
  state: Record<string, unknown>,
  filters: Record<string, StateFilter>,
): Promise<Record<string, unknown>> {
  for (const [name, filter] of Object.entries(filters)) checkFilter(name, filter, state);
  const collected: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(state)) {
    const saved = isStateful(value) ? value.stateDict() : value;
    const filter = filters[name];
    collected[name] = await toHost(filter === undefined ? saved : filtered(saved, filter));
  }
  return collected;
}

/**
 * Loads what was saved into the objects of a state; plain values are set in it. What is left over is returned.
 *
 * @throws CheckpointError `ERR_STATE_DICT_MISMATCH` with `strict` where the file lacks something
 */
export function distributeState(
  saved: Record<string, unknown>,
  state: Record<string, unknown>,
  strict: boolean,
  path: string,
): Record<string, unknown> {
  const missing = Object.keys(state).filter((name) => !Object.hasOwn(saved, name));
  if (strict && missing.length > 0) {
    throw new CheckpointError(
      "ERR_STATE_DICT_MISMATCH",
      `${path} holds no ${missing.join(", ")}; it holds ${Object.keys(saved).join(", ") || "nothing"}. ` +
        "Leave what it lacks out of the state, or pass { strict: false } to load what is there.",
    );
  }
  const remainder = { ...saved };
  for (const name of Object.keys(state)) {
    if (!Object.hasOwn(saved, name)) continue;
    const target = state[name];
    if (isStateful(target)) target.loadStateDict(saved[name] as never, { strict });
    else state[name] = saved[name];
    delete remainder[name];
  }
  return remainder;
}

export function isStateful(value: unknown): value is Stateful {
  const object = value as Partial<Stateful> | null | undefined;
  return typeof object?.stateDict === "function" && typeof object.loadStateDict === "function";
}

function filtered(saved: unknown, filter: StateFilter): unknown {
  return Object.fromEntries(Object.entries(saved as object).filter(([key, value]) => filter(key, value)));
}

function checkFilter(name: string, filter: unknown, state: Record<string, unknown>): void {
  const value = state[name];
  const problem = !Object.hasOwn(state, name)
    ? `there is nothing of that name in the state. ${describeChoices(name, Object.keys(state))}`
    : typeof filter !== "function"
      ? "it is no function. Give (name, value) => boolean."
      : !isStateful(value) && !(isPlainObject(value) && !(value instanceof tf.Tensor))
        ? "what it filters has no names: it is no object with stateDict() and no plain object."
        : undefined;
  if (problem === undefined) return;
  throw new ConfigurationError(
    "ERR_STATE_FILTER",
    `The filter ${JSON.stringify(name)} cannot be used: ${problem}`,
  );
}
