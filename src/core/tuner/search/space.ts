/** What a search may choose from: plain objects, so that a configuration file can hold them as well. */
import { inspect } from "node:util";
import { ConfigurationError, describeChoices } from "../../../errors.js";
import { isPlainObject } from "../../../nested.js";

/** A value that a categorical parameter can have. */
export type Choice = string | number | boolean | null;

/** A number between two others. */
export interface FloatParameter {
  type: "float";
  low: number;
  high: number;
  /** Whether its logarithm is spread evenly, as suits learning rates. Default: false. */
  log?: boolean;
  /** Only `low` plus multiples of it. Default: any number. */
  step?: number;
}

/** An integer between two others, both included. */
export interface IntParameter {
  type: "int";
  low: number;
  high: number;
  /** Whether its logarithm is spread evenly, as suits sizes. Default: false. */
  log?: boolean;
  /** Only `low` plus multiples of it. Default: 1. */
  step?: number;
}

/** One of several values that have no order. */
export interface CategoricalParameter<C extends Choice = Choice> {
  type: "categorical";
  choices: readonly C[];
}

/** One of several branches with parameters of their own, which exist only where the branch is taken. */
export interface ConditionalParameter<
  Branches extends Record<string, SearchSpace> = Record<string, SearchSpace>,
> {
  type: "conditional";
  branches: Branches;
}

/** One parameter of a search. */
export type SearchParameter = FloatParameter | IntParameter | CategoricalParameter | ConditionalParameter;

/** The parameters of a search, by name. */
export interface SearchSpace {
  [name: string]: SearchParameter;
}

/** What a trial gets for a space: numbers, choices, and for a branch `{ name, … }` with the branch's own parameters. */
export type SearchValues<Space> = {
  -readonly [Name in keyof Space]: Space[Name] extends { type: "float" | "int" }
    ? number
    : Space[Name] extends CategoricalParameter<infer C>
      ? C
      : Space[Name] extends ConditionalParameter<infer Branches>
        ? { [Branch in keyof Branches]: { name: Branch } & SearchValues<Branches[Branch]> }[keyof Branches]
        : unknown;
};

/**
 * Makes the parameters of a search space.
 *
 * ```ts
 * const space = {
 *   lr: suggest.float(1e-5, 1e-1, { log: true }),
 *   layers: suggest.int(1, 4),
 *   activation: suggest.categorical(["relu", "gelu"]),
 *   optimizer: suggest.conditional({ adamw: { weightDecay: suggest.float(0, 0.1) }, sgd: { momentum: suggest.float(0, 1) } }),
 * };
 * ```
 */
export const suggest = {
  /** A number from `low` to `high`; `log` spreads it evenly by its logarithm, `step` allows only multiples above `low`. */
  float(low: number, high: number, options: { log?: boolean; step?: number } = {}): FloatParameter {
    return { type: "float", low, high, ...options };
  },
  /** An integer from `low` to `high`, both included. */
  int(low: number, high: number, options: { log?: boolean; step?: number } = {}): IntParameter {
    return { type: "int", low, high, ...options };
  },
  /** One of the values. */
  categorical<const C extends Choice>(choices: readonly C[]): CategoricalParameter<C> {
    return { type: "categorical", choices };
  },
  /** One of the branches: the trial gets `{ name: "sgd", momentum: 0.9 }`. */
  conditional<const Branches extends Record<string, SearchSpace>>(
    branches: Branches,
  ): ConditionalParameter<Branches> {
    return { type: "conditional", branches };
  },
};

const fields: Record<string, readonly string[]> = {
  float: ["type", "low", "high", "log", "step"],
  int: ["type", "low", "high", "log", "step"],
  categorical: ["type", "choices"],
  conditional: ["type", "branches"],
};

/** @throws ConfigurationError `ERR_SEARCH_SPACE` naming the parameter */
export function checkSpace(space: SearchSpace, prefix = ""): void {
  if (!isPlainObject(space))
    throw spaceError(`a search space is an object of parameters, not ${inspect(space)}`);
  const names = Object.keys(space);
  if (names.length === 0 && prefix === "") throw spaceError("the search space has no parameters");
  for (const name of names) {
    const path = prefix + name;
    if (name === "" || name.includes("."))
      throw spaceError(
        `${JSON.stringify(path)} cannot be a parameter's name: it is empty or has a dot in it`,
      );
    if (prefix !== "" && name === "name")
      throw spaceError(`${path} cannot be called "name", which tells the branch in what a trial gets`);
    checkParameter(path, space[name]!);
  }
}

function checkParameter(path: string, parameter: SearchParameter): void {
  const type: unknown = isPlainObject(parameter) ? parameter.type : undefined;
  if (typeof type !== "string" || !Object.hasOwn(fields, type)) {
    const choices = describeChoices(String(type), Object.keys(fields));
    throw spaceError(
      `${path} is ${inspect(parameter)}, which has no known type. ${choices} Or use suggest.float() and the like`,
    );
  }
  const unknown = Object.keys(parameter).find((field) => !fields[type]!.includes(field));
  if (unknown !== undefined)
    throw spaceError(
      `${path} has the field ${JSON.stringify(unknown)}. ${describeChoices(unknown, fields[type]!)}`,
    );
  if (parameter.type === "categorical") checkChoices(path, parameter);
  else if (parameter.type === "conditional") checkBranches(path, parameter);
  else checkRange(path, parameter);
}

function checkRange(
  path: string,
  { type, low, high, log = false, step }: FloatParameter | IntParameter,
): void {
  const isNumber = (value: number) => (type === "int" ? Number.isSafeInteger(value) : Number.isFinite(value));
  const what = type === "int" ? "integers" : "finite numbers";
  if (!isNumber(low) || !isNumber(high) || low > high)
    throw spaceError(
      `${path} goes from ${inspect(low)} to ${inspect(high)}; both must be ${what}, the lower one first`,
    );
  if (typeof log !== "boolean")
    throw spaceError(`${path} has log: ${inspect(log)}; it must be true or false`);
  if (log && low <= 0) throw spaceError(`${path} is logarithmic and begins at ${low}; it must begin above 0`);
  if (step !== undefined && (!isNumber(step) || step <= 0))
    throw spaceError(`${path} has the step ${inspect(step)}; it must be one of the ${what} above 0`);
  if (step !== undefined && log) throw spaceError(`${path} has both log and step; leave out one`);
}

function checkChoices(path: string, { choices }: CategoricalParameter): void {
  if (!Array.isArray(choices) || choices.length === 0)
    throw spaceError(`${path} has the choices ${inspect(choices)}; it needs an array of at least one`);
  const wrong: unknown = choices.find(
    (choice) =>
      choice !== null && !["string", "boolean"].includes(typeof choice) && !Number.isFinite(choice as number),
  );
  if (wrong !== undefined || choices.includes(undefined))
    throw spaceError(
      `${path} has the choice ${inspect(wrong)}; choices are strings, finite numbers, booleans and null. Choose by name, and ` +
        "look the rest up in the objective",
    );
  if (new Set(choices).size < choices.length)
    throw spaceError(`${path} has one choice twice: ${inspect(choices)}`);
}

function checkBranches(path: string, { branches }: ConditionalParameter): void {
  if (!isPlainObject(branches) || Object.keys(branches).length === 0)
    throw spaceError(`${path} has the branches ${inspect(branches)}; it needs an object of at least one`);
  for (const [name, space] of Object.entries(branches)) {
    if (name === "" || name.includes("."))
      throw spaceError(
        `${path} has the branch ${JSON.stringify(name)}; its name is empty or has a dot in it`,
      );
    checkSpace(space, `${path}.${name}.`);
  }
}

function spaceError(problem: string): ConfigurationError {
  return new ConfigurationError(
    "ERR_SEARCH_SPACE",
    `Of the search space: ${problem}${/[.?]$/.test(problem) ? "" : "."}`,
  );
}
