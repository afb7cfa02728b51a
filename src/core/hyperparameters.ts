/** Hyperparameters: the options that a module or data module was made with, as checkpoints and loggers keep them. */
import { CheckpointError, ConfigurationError } from "../errors.js";
import { packState } from "./checkpoint/packing.js";

/** Options of `saveHyperparameters`. */
export interface SaveHyperparametersOptions {
  /** Names to leave out, such as that of a data set. Default: none. */
  ignore?: readonly string[];
}

/** Whatever has hyperparameters. */
export interface HasHyperparameters {
  readonly hparams: Record<string, unknown>;
}

/** What `saveHyperparameters` has been given so far. */
export class Hyperparameters {
  values: Record<string, unknown> = {};
  /** As they were saved, whatever has become of `values`. */
  initial: Readonly<Record<string, unknown>> = Object.freeze({});

  save(owner: string, hparams: object, options: SaveHyperparametersOptions): void {
    this.values = { ...this.values, ...copyHyperparameters(owner, hparams, options) };
    this.initial = deepFreeze(structuredClone(this.values));
  }
}

/**
 * A copy of an options object for a checkpoint, which holds numbers (NaN and infinities too), strings, booleans, null,
 * arrays and plain objects. Properties that are undefined are left out.
 *
 * @param owner the class, for the error
 * @throws ConfigurationError `ERR_HYPERPARAMETERS` naming the first value of another kind
 */
function copyHyperparameters(
  owner: string,
  hparams: object,
  { ignore = [] }: SaveHyperparametersOptions,
): Record<string, unknown> {
  const kept = Object.entries(hparams).filter(
    ([name, value]) => value !== undefined && !ignore.includes(name),
  );
  for (const [name, value] of kept) {
    try {
      packState(value, `hparams.${name}`);
    } catch (cause) {
      if (!(cause instanceof CheckpointError)) throw cause;
      throw new ConfigurationError(
        "ERR_HYPERPARAMETERS",
        `${owner}.saveHyperparameters: ${cause.message} To leave it out: saveHyperparameters(options, ` +
          `{ ignore: [${JSON.stringify(name)}] }).`,
        { cause },
      );
    }
  }
  return structuredClone(Object.fromEntries(kept));
}

/** An object, and all objects in it, that cannot be changed any more. */
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}

/**
 * The hyperparameters of a module and its data, for loggers.
 *
 * @throws ConfigurationError `ERR_HYPERPARAMETERS_CONFLICT` where one name has two values
 */
export function mergeHyperparameters(
  module: HasHyperparameters,
  dataModule: HasHyperparameters,
): Record<string, unknown> {
  const conflicts = Object.keys(dataModule.hparams).filter(
    (name) =>
      Object.hasOwn(module.hparams, name) &&
      JSON.stringify(packState(module.hparams[name], name)) !==
        JSON.stringify(packState(dataModule.hparams[name], name)),
  );
  if (conflicts.length > 0) {
    throw new ConfigurationError(
      "ERR_HYPERPARAMETERS_CONFLICT",
      `${module.constructor.name} and ${dataModule.constructor.name} have different values of the hyperparameters ` +
        `${conflicts.join(", ")}. Give both the same, rename one, or leave it out with { ignore } in saveHyperparameters.`,
    );
  }
  return { ...dataModule.hparams, ...module.hparams };
}
