/**
 * Any nested state as one safetensors file: its tensors under their paths, so that a state dict alone is a file that every
 * reader of the format understands, and the rest as JSON in the metadata. Loading one runs no code.
 */
import { readFile } from "node:fs/promises";
import { CheckpointError, ConfigurationError } from "../../errors.js";
import { HostTensor, type HostDType } from "../../host_tensor.js";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../../safetensors.js";
import { isPlainObject } from "../to_device.js";

const FORMAT = "kindling-state";
const FORMAT_VERSION = "1";
const TENSOR_KEY = "$tensor";
const NUMBER_KEY = "$number";
const fileTypes = { float32: "F32", int32: "I32", uint8: "U8", bool: "BOOL" } as const;

export interface StateFile {
  state: Record<string, unknown>;
  /** What Fabric keeps beside the user's state. */
  precision?: Record<string, unknown>;
}

/**
 * @param file nested plain objects, arrays, strings, numbers, booleans, null and HostTensors
 * @throws ConfigurationError `ERR_STATE_VALUE` naming the place of a value that is something else
 */
export function encodeState({ state, precision }: StateFile): Uint8Array {
  const tensors: Record<string, SafetensorsTensor> = {};
  const pack = (value: unknown, path: readonly string[]): unknown => {
    if (value instanceof HostTensor) {
      const name = freeName(path.join("/"), tensors);
      tensors[name] = { dtype: fileTypes[value.dtype], shape: value.shape, data: value.data };
      return { [TENSOR_KEY]: name };
    }
    if (typeof value === "number") return Number.isFinite(value) ? value : { [NUMBER_KEY]: String(value) };
    if (value === null || value === undefined || typeof value === "string" || typeof value === "boolean") {
      return value;
    }
    if (Array.isArray(value)) return value.map((item, i) => pack(item, [...path, String(i)]));
    if (!isPlainObject(value)) throw refuse(value, path);
    const entries = Object.entries(value).map(([key, item]) => [key, pack(item, [...path, key])]);
    return Object.fromEntries(entries) as unknown;
  };
  const metadata: Record<string, string> = {
    format: FORMAT,
    version: FORMAT_VERSION,
    state: JSON.stringify(pack(state, [])),
  };
  if (precision !== undefined) metadata.precision = JSON.stringify(precision);
  return encodeSafetensors(tensors, metadata);
}

/**
 * Reads a file that `encodeState` made, or any safetensors file: the state is then its tensors by their names.
 *
 * @throws CheckpointError where the file is missing, damaged, or of a newer version
 */
export async function readState(path: string): Promise<StateFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("ERR_CHECKPOINT_READ", `The file ${path} cannot be read: ${reason}.`, {
      cause: error,
    });
  }
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const host = new Map(
    Object.entries(tensors).map(([name, tensor]) => [name, toHostTensor(name, tensor, path)]),
  );
  if (metadata.format !== FORMAT || metadata.state === undefined) return { state: Object.fromEntries(host) };
  if (metadata.version !== FORMAT_VERSION) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_VERSION",
      `${path} has version ${metadata.version} of its format, and this release reads ${FORMAT_VERSION}. ` +
        "Use the release that wrote it, or a newer one.",
    );
  }
  const state = unpack(JSON.parse(metadata.state), host) as Record<string, unknown>;
  if (metadata.precision === undefined) return { state };
  return { state, precision: JSON.parse(metadata.precision) as Record<string, unknown> };
}

function unpack(value: unknown, tensors: ReadonlyMap<string, HostTensor>): unknown {
  if (Array.isArray(value)) return value.map((item) => unpack(item, tensors));
  if (!isPlainObject(value)) return value;
  if (typeof value[TENSOR_KEY] === "string") return tensors.get(value[TENSOR_KEY]);
  if (typeof value[NUMBER_KEY] === "string") return Number(value[NUMBER_KEY]);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item, tensors)]));
}

/** Two paths may read the same, where a key has a slash in it. */
function freeName(path: string, taken: object): string {
  let name = path;
  for (let i = 2; Object.hasOwn(taken, name); i++) name = `${path}#${i}`;
  return name;
}

function toHostTensor(name: string, { dtype, shape, data }: SafetensorsTensor, path: string): HostTensor {
  const type = (Object.keys(fileTypes) as HostDType[]).find((key) => fileTypes[key] === dtype);
  if (type !== undefined) return new HostTensor(data as Float32Array, shape, type);
  throw new CheckpointError(
    "ERR_CHECKPOINT_DTYPE",
    `${path} holds ${JSON.stringify(name)} as ${dtype}; what can be loaded is ${Object.values(fileTypes).join(", ")}.`,
  );
}

function refuse(value: unknown, path: readonly string[]): ConfigurationError {
  const what =
    typeof value === "object"
      ? `an object of class ${(value as object).constructor.name}`
      : `a ${typeof value}`;
  return new ConfigurationError(
    "ERR_STATE_VALUE",
    `The state's ${path.join(".")} is ${what}. A file holds objects with stateDict(), tensors, and plain values.`,
  );
}
