/** Setting the tensors of a module from a table of named tensors. */
import * as tf from "@tensorflow/tfjs-core";
import { CheckpointError } from "../errors.js";
import type { HostTensor } from "../host_tensor.js";
import { hostToTensor } from "./parameter.js";
import { formatShape } from "./shape_checks.js";

/** Options of `loadStateDict`. */
export interface LoadStateOptions {
  /** Whether a key that is missing or not expected is an error. Default: true. */
  strict?: boolean;
}

/** Names that did not match when a state was loaded. */
export interface LoadStateResult {
  /** Names the module has and the given state has not. */
  missingKeys: string[];
  /** Names the given state has and the module has not. */
  unexpectedKeys: string[];
}

/** How many keys of a kind an error names. */
const KEYS_IN_MESSAGE = 10;

/** Assigns `given` to the tensors of `own`, all or none; other types are cast to the ones of the module. */
export function applyState(
  moduleName: string,
  own: Readonly<Record<string, tf.Variable>>,
  given: Readonly<Record<string, tf.Tensor | HostTensor>>,
  { strict = true }: LoadStateOptions,
): LoadStateResult {
  const missingKeys = Object.keys(own).filter((key) => !Object.hasOwn(given, key));
  const unexpectedKeys = Object.keys(given).filter((key) => !Object.hasOwn(own, key));
  const shared = Object.keys(own).filter((key) => Object.hasOwn(given, key));
  const misshapen = shared.filter((key) => !tf.util.arraysEqual([...given[key]!.shape], own[key]!.shape));
  if (misshapen.length > 0 || (strict && missingKeys.length + unexpectedKeys.length > 0)) {
    const shapes = misshapen.map(
      (key) => `${key} is ${formatShape(own[key]!.shape)}, not ${formatShape(given[key]!.shape)}`,
    );
    throw new CheckpointError(
      "ERR_STATE_DICT_MISMATCH",
      `The state does not fit ${moduleName}.` +
        list("It lacks", missingKeys) +
        list("It has, and the module has not,", unexpectedKeys) +
        list("Shapes differ: in the module", shapes) +
        " Load a state of the same architecture and class count" +
        (misshapen.length === 0 ? ", or pass { strict: false } to take what fits." : "."),
    );
  }
  tf.tidy(() => {
    for (const key of shared) {
      const source = given[key]!;
      const tensor = source instanceof tf.Tensor ? source : hostToTensor(source);
      own[key]!.assign(tf.cast(tensor, own[key]!.dtype));
    }
  });
  return { missingKeys, unexpectedKeys };
}

function list(intro: string, keys: readonly string[]): string {
  if (keys.length === 0) return "";
  const more = keys.length > KEYS_IN_MESSAGE ? ` and ${keys.length - KEYS_IN_MESSAGE} more` : "";
  return ` ${intro} ${keys.slice(0, KEYS_IN_MESSAGE).join(", ")}${more}.`;
}
