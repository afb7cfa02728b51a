/** Loads a safetensors file of weights into a backbone. */
import { readFileSync } from "node:fs";
import { decodeSafetensors } from "../safetensors.js";
import { CheckpointError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import type { AnyModule } from "../nn/index.js";

/**
 * Every parameter and buffer of the module must be in the file; what the file holds beyond that (a classifier of its own)
 * is left aside.
 *
 * @throws CheckpointError `ERR_WEIGHTS_READ` where the file cannot be read, `ERR_SAFETENSORS_DAMAGED`, and
 *   `ERR_WEIGHTS_TYPE` for weights that are not F32; a name or shape that does not fit as `loadStateDict` reports it
 */
export function loadWeights(module: AnyModule, path: string): void {
  const { tensors } = decodeSafetensors(readBytes(path), path);
  const wanted = Object.keys(module.stateDict()).filter((name) => tensors[name] !== undefined);
  const state = wanted.map((name): [string, HostTensor] => {
    const { data, dtype, shape } = tensors[name]!;
    if (dtype === "I64") return [name, new HostTensor(Int32Array.from(data as BigInt64Array, Number), shape)];
    if (dtype === "F32") return [name, new HostTensor(data as Float32Array, shape)];
    throw new CheckpointError(
      "ERR_WEIGHTS_TYPE",
      `${path} holds ${name} as ${dtype}; expected F32. Convert the weights to float32 first.`,
    );
  });
  module.loadStateDict(Object.fromEntries(state));
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
