/** Loads weight files as publishers of architectures write them. */
import { readFileSync } from "node:fs";
import { CheckpointError } from "../errors.js";
import { bfloat16ToFloat32, float16ToFloat32 } from "../half_precision.js";
import { HostTensor } from "../host_tensor.js";
import type { AnyModule } from "../nn/index.js";
import { decodeSafetensors, type SafetensorsTensor } from "../safetensors.js";

const COUNT = ".num_batches_tracked";

/** Tensors by name. */
export type Weights = Readonly<Record<string, HostTensor>>;

/** A module that knows the weight files which its publishers write. */
export interface PublishedWeights {
  /**
   * What a publisher's file holds of this module, under the names and in the form that this module has them. What belongs
   * to a head is left out; everything else stays, so that a file of another network is noticed.
   */
  fromPublished(weights: Weights): Weights;
}

/**
 * Sets every parameter and buffer of a module from a safetensors file, all or none.
 *
 * @throws CheckpointError `ERR_WEIGHTS_READ` where the file cannot be read, `ERR_SAFETENSORS_DAMAGED`, `ERR_WEIGHTS_TYPE` for
 *   weights of a type that they do not have, and `ERR_WEIGHTS_MISMATCH` as `setWeights` does
 */
export function loadWeights(module: AnyModule & Partial<PublishedWeights>, path: string): void {
  setWeights(module, readWeights(path), `The weights ${path}`);
}

/**
 * Sets every parameter and buffer of a module from a publisher's tensors, all or none.
 *
 * @param source what to call the tensors in errors
 * @throws CheckpointError `ERR_WEIGHTS_MISMATCH` where a tensor is missing, has no place, or has another shape
 */
export function setWeights(
  module: AnyModule & Partial<PublishedWeights>,
  weights: Weights,
  source = "The weights",
): void {
  const state = module.fromPublished?.(weights) ?? weights;
  try {
    module.loadStateDict({ ...missingCounts(module, state), ...state });
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new CheckpointError(
      "ERR_WEIGHTS_MISMATCH",
      `${source} are not those of this architecture. ${error.message}`,
      { cause: error },
    );
  }
}

/** PyTorch counts batches since version 0.4.1; older files, and some publishers, have no count, and no use for it. */
function missingCounts(module: AnyModule, state: Weights): Weights {
  const names = Array.from(module.namedBuffers(), ([name]) => name).filter((name) => name.endsWith(COUNT));
  const missing = names.filter((name) => state[name] === undefined);
  return Object.fromEntries(missing.map((name) => [name, new HostTensor(new Int32Array(1), [])]));
}

/** The tensors of a safetensors file, with halves and doubles as float32. @throws CheckpointError as `loadWeights` does */
export function readWeights(path: string): Weights {
  const { tensors } = decodeSafetensors(readBytes(path), path);
  return mapValues(tensors, (tensor, name) => new HostTensor(numbersOf(tensor, name, path), tensor.shape));
}

/** The weights but for those whose name has the pattern. */
export function withoutWeights(weights: Weights, pattern: RegExp): Weights {
  return Object.fromEntries(Object.entries(weights).filter(([name]) => !pattern.test(name)));
}

/** A part of a name, and what stands for it. */
export type RenamingRule = readonly [pattern: RegExp, replacement: string];

/** The weights under other names: every rule is tried on every name, in order. */
export function renameWeights(weights: Weights, rules: readonly RenamingRule[]): Weights {
  const rename = (name: string): string =>
    rules.reduce((renamed, [pattern, replacement]) => renamed.replace(pattern, replacement), name);
  return Object.fromEntries(Object.entries(weights).map(([name, tensor]) => [rename(name), tensor]));
}

/** Some of the weights in another shape, of as many numbers. */
export function reshapeWeights(
  weights: Weights,
  pattern: RegExp,
  shapeOf: (shape: readonly number[]) => readonly number[],
): Weights {
  return mapValues(weights, (tensor, name) =>
    pattern.test(name) ? new HostTensor(tensor.data, shapeOf(tensor.shape)) : tensor,
  );
}

/** Tensors as one, along their first axis. */
export function concatWeights(tensors: readonly HostTensor[]): HostTensor {
  const [first] = tensors;
  const data = new Float32Array(tensors.reduce((sum, tensor) => sum + tensor.data.length, 0));
  let position = 0;
  for (const tensor of tensors) {
    data.set(tensor.data, position);
    position += tensor.data.length;
  }
  const rows = tensors.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return new HostTensor(data, [rows, ...first!.shape.slice(1)]);
}

/** A record of other values under the same keys. */
export function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}

function numbersOf(
  { dtype, data }: SafetensorsTensor,
  name: string,
  path: string,
): Float32Array | Int32Array {
  switch (dtype) {
    case "F32":
      return data as Float32Array;
    case "F16":
      return float16ToFloat32(data as Uint16Array);
    case "BF16":
      return bfloat16ToFloat32(data as Uint16Array);
    case "F64":
      return Float32Array.from(data as Float64Array);
    case "I64":
      return Int32Array.from(data as BigInt64Array, Number);
    case "I32":
      return data as Int32Array;
    default:
      throw new CheckpointError(
        "ERR_WEIGHTS_TYPE",
        `${path} holds ${name} as ${dtype}; expected F32, F16, BF16 or F64, or I64 and I32 for counts. ` +
          "Quantised weights have to be dequantised first.",
      );
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CheckpointError(
      "ERR_WEIGHTS_READ",
      `The weights ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
