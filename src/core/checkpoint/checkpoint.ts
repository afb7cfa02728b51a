/**
 * A checkpoint: everything needed to go on training as if nothing had happened. In a file it is one safetensors file;
 * the weights have the module's own names, so that any reader of the format finds them, other tensors have names with a
 * slash, and the rest is JSON in the metadata. Loading one runs no code.
 */
import { readFile } from "node:fs/promises";
import { CheckpointError } from "../../errors.js";
import { HostTensor, type HostDType } from "../../host_tensor.js";
import type { LoopProgress } from "../loops/fit_loop.js";
import { isPlainObject, mapNested } from "../to_device.js";
import { toJson } from "../json.js";
import { writeFileAtomically } from "./atomic_write.js";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../../safetensors.js";

export interface Checkpoint {
  /** The module's parameters and buffers. */
  stateDict: Record<string, HostTensor>;
  progress: LoopProgress;
  /** The module's `hparams`. */
  hparams: Readonly<Record<string, unknown>>;
  /** Nested state with HostTensors; undefined where only weights are saved. */
  optimizer?: unknown;
  /** One state for each scheduler. */
  lrSchedulers?: unknown[];
  /** By `stateKey`. */
  callbacks: Record<string, Record<string, unknown>>;
  /** The seed and the state of the global random generator. */
  random: { seed: number; state: readonly number[] };
  /** What hooks add: nested plain values and HostTensors. */
  extra: Record<string, unknown>;
}

const FORMAT = "kindling-checkpoint";
const FORMAT_VERSION = 1;
const TENSOR_KEY = "$tensor";
const fileTypes = { float32: "F32", int32: "I32", uint8: "U8", bool: "BOOL" } as const;

/** Writes a checkpoint, replacing the file only when all of it is on the disk. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeFileAtomically(path, encodeCheckpoint(checkpoint));
}

/** @throws CheckpointError where the file is missing, damaged, or not a checkpoint */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("ERR_CHECKPOINT_READ", `The checkpoint ${path} cannot be read: ${reason}.`, {
      cause: error,
    });
  }
  return decodeCheckpoint(bytes, path);
}

export function encodeCheckpoint({ stateDict, ...state }: Checkpoint): Uint8Array {
  const tensors: Record<string, SafetensorsTensor> = {};
  for (const [name, tensor] of Object.entries(stateDict)) tensors[name] = toFileTensor(tensor);
  let count = 0;
  const packed = mapNested(state, (leaf) => {
    if (!(leaf instanceof HostTensor)) return leaf;
    const name = `state/${count++}`;
    tensors[name] = toFileTensor(leaf);
    return { [TENSOR_KEY]: name };
  });
  const metadata = { format: FORMAT, version: String(FORMAT_VERSION), state: toJson(packed) };
  return encodeSafetensors(tensors, metadata);
}

/** @param source what to call the file in errors */
export function decodeCheckpoint(bytes: Uint8Array, source = "The file"): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, source);
  if (metadata.format !== FORMAT || metadata.state === undefined) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_FORMAT",
      `${source} is a safetensors file, but not a checkpoint of Kindling (its format is ` +
        `${JSON.stringify(metadata.format ?? "not given")}). Load its weights with decodeSafetensors instead.`,
    );
  }
  if (metadata.version !== String(FORMAT_VERSION)) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_VERSION",
      `${source} has checkpoint version ${metadata.version}, and this release reads version ${FORMAT_VERSION}. ` +
        "Use the release that wrote it, or a newer one.",
    );
  }
  const host = new Map(
    Object.entries(tensors).map(([name, tensor]) => [name, toHostTensor(name, tensor, source)]),
  );
  const packed: unknown = JSON.parse(metadata.state);
  const state = unpack(packed, host) as Omit<Checkpoint, "stateDict">;
  const stateDict = Object.fromEntries([...host].filter(([name]) => !name.includes("/")));
  return { stateDict, ...state };
}

function unpack(value: unknown, tensors: ReadonlyMap<string, HostTensor>): unknown {
  if (Array.isArray(value)) return value.map((item) => unpack(item, tensors));
  if (!isPlainObject(value)) return value;
  const name = value[TENSOR_KEY];
  if (typeof name === "string") return tensors.get(name);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item, tensors)]));
}

function toFileTensor({ data, shape, dtype }: HostTensor): SafetensorsTensor {
  return { dtype: fileTypes[dtype], shape, data };
}

function toHostTensor(name: string, { dtype, shape, data }: SafetensorsTensor, source: string): HostTensor {
  const type = (Object.keys(fileTypes) as HostDType[]).find((key) => fileTypes[key] === dtype);
  if (type !== undefined) return new HostTensor(data as Float32Array, shape, type);
  throw new CheckpointError(
    "ERR_CHECKPOINT_DTYPE",
    `${source} holds ${JSON.stringify(name)} as ${dtype}; checkpoints hold ${Object.values(fileTypes).join(", ")}.`,
  );
}
