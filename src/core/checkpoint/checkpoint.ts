/**
 * A checkpoint: everything needed to go on training as if nothing had happened. In a file it is one safetensors file;
 * the weights have the module's own names, so that any reader of the format finds them, other tensors have names with a
 * slash, and the rest is JSON in the metadata, under a checksum of the whole file. Loading one runs no code.
 */
import { CheckpointError } from "../../errors.js";
import { HostTensor, type HostDType } from "../../host_tensor.js";
import { decodeSafetensors, safetensorsChunks, type SafetensorsTensor } from "../../safetensors.js";
import type { MetricsState } from "../logging/metrics_state.js";
import type { LoopProgress } from "../loops/fit_loop.js";
import { writeFileAtomically } from "../../atomic_write.js";
import { readCheckpointFile } from "./read_file.js";
import { CHECKSUM_KEY, hasRightChecksum, NO_CHECKSUM, writeWithChecksum } from "./checksum.js";
import { FORMAT_VERSION, migrate } from "./migrations.js";
import { packState, unpackState } from "./packing.js";

/** Everything that training needs to go on. */
export interface Checkpoint {
  /** The release that wrote it. */
  kindlingVersion: string;
  /** The module's parameters and buffers. */
  stateDict: Record<string, HostTensor>;
  progress: LoopProgress;
  /** The module's `hparams`. */
  hparams: Record<string, unknown>;
  /** The data module's `hparams` and what its `stateDict()` gave. */
  dataModule?: { hparams: Record<string, unknown>; state?: unknown };
  /** Each optimizer's state, with HostTensors; missing where only weights are saved. */
  optimizerStates?: unknown[];
  lrSchedulers?: unknown[];
  /** Gradients that wait for the optimizer's step, and of how many batches they are. */
  accumulation?: { batches: number; gradients: Record<string, HostTensor> };
  /** What was logged in the open epoch, and what monitors see. */
  metrics?: MetricsState;
  /** What mixed precision remembers from step to step. */
  precision?: Record<string, unknown>;
  /** By `stateKey`. */
  callbacks: Record<string, Record<string, unknown>>;
  /**
   * The seed and the state of the global random generator, which initialisers and dropout draw from; with several ranks,
   * those of each.
   */
  random: { seed: number; state: readonly number[]; ranks?: readonly (readonly number[])[] };
  /** Of the fit that was saved: ranks, and the samples of a batch of all of them where that is known. */
  world?: { size: number; samplesPerBatch?: number };
  /** What hooks add: nested plain values and HostTensors. */
  extra: Record<string, unknown>;
}

const FORMAT = "kindling-checkpoint";
const fileTypes = { float32: "F32", int32: "I32", uint8: "U8", bool: "BOOL" } as const;

/**
 * Writes a checkpoint, replacing the file only when all of it is on the disk. What is written is the state at the time of
 * the call: later changes of plain values do not reach it.
 *
 * @throws CheckpointError `ERR_CHECKPOINT_VALUE` for a value that JSON cannot hold; `ERR_FILE_WRITE`
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const chunks = encodeCheckpoint(checkpoint);
  await writeFileAtomically(path, (file) => writeWithChecksum(file, chunks));
}

/**
 * Reads a checkpoint of this or an older release.
 *
 * @throws CheckpointError `ERR_CHECKPOINT_READ` where the file cannot be read; `ERR_SAFETENSORS_DAMAGED` or
 *   `ERR_CHECKPOINT_DAMAGED` where it is not whole; `ERR_CHECKPOINT_FORMAT` where it is no checkpoint;
 *   `ERR_CHECKPOINT_VERSION` where a later release wrote it
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  return decodeCheckpoint(await readCheckpointFile(path), path);
}

function encodeCheckpoint({ stateDict, ...state }: Checkpoint): Uint8Array[] {
  const tensors: Record<string, SafetensorsTensor> = {};
  for (const [name, tensor] of Object.entries(stateDict)) tensors[name] = toFileTensor(tensor);
  let count = 0;
  const packed = packState(state, "checkpoint", (tensor) => {
    const name = `state/${count++}`;
    tensors[name] = toFileTensor(tensor);
    return name;
  });
  return safetensorsChunks(tensors, {
    [CHECKSUM_KEY]: NO_CHECKSUM,
    format: FORMAT,
    version: String(FORMAT_VERSION),
    state: JSON.stringify(packed),
  });
}

/** @param source what to call the file in errors */
export function decodeCheckpoint(bytes: Uint8Array, source = "The file"): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, source);
  const isIntact = hasRightChecksum(bytes);
  if (isIntact === false) throw damaged(source, "its contents do not match their checksum");
  if (metadata.format !== FORMAT || metadata.state === undefined) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_FORMAT",
      `${source} is a safetensors file, but not a checkpoint of Kindling (its format is ` +
        `${JSON.stringify(metadata.format ?? "not given")}). Load its weights with decodeSafetensors instead.`,
    );
  }
  const version = versionOf(metadata, source);
  const isComplete = version === 1 ? Object.keys(metadata).length === 3 : isIntact;
  if (isComplete !== true) throw damaged(source, "its checksum is missing");
  const host = new Map(
    Object.entries(tensors).map(([name, tensor]) => [name, toHostTensor(name, tensor, source)]),
  );
  const state = migrate(parseState(metadata.state, host, source), version);
  const stateDict = Object.fromEntries([...host].filter(([name]) => !name.includes("/")));
  return { stateDict, ...state } as Checkpoint;
}

function versionOf({ version = "" }: Record<string, string>, source: string): number {
  const number = Number(version);
  if (Number.isInteger(number) && number >= 1 && number <= FORMAT_VERSION) return number;
  throw new CheckpointError(
    "ERR_CHECKPOINT_VERSION",
    `${source} has checkpoint version ${version}, and this release reads versions 1 to ${FORMAT_VERSION}. ` +
      "Use the release that wrote it, or a newer one.",
  );
}

function parseState(
  json: string,
  tensors: ReadonlyMap<string, HostTensor>,
  source: string,
): Record<string, unknown> {
  try {
    return unpackState(JSON.parse(json), tensors) as Record<string, unknown>;
  } catch (cause) {
    throw damaged(source, "its state is not JSON", cause);
  }
}

export function toFileTensor({ data, shape, dtype }: HostTensor): SafetensorsTensor {
  return { dtype: fileTypes[dtype], shape, data };
}

export function toHostTensor(
  name: string,
  { dtype, shape, data }: SafetensorsTensor,
  source: string,
): HostTensor {
  const type = (Object.keys(fileTypes) as HostDType[]).find((key) => fileTypes[key] === dtype);
  if (type !== undefined) return new HostTensor(data as Float32Array, shape, type);
  throw new CheckpointError(
    "ERR_CHECKPOINT_DTYPE",
    `${source} holds ${JSON.stringify(name)} as ${dtype}; checkpoints hold ${Object.values(fileTypes).join(", ")}.`,
  );
}

export function damaged(source: string, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    "ERR_CHECKPOINT_DAMAGED",
    `${source} is a damaged checkpoint: ${problem}. Copy it again, or go on from an earlier one.`,
    { cause },
  );
}
