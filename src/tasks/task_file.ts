/**
 * The one file that a task is saved as: a safetensors file whose metadata says in JSON what the task is. It holds data
 * only, no code, and any safetensors reader can open it.
 */
import { open, readFile } from "node:fs/promises";
import type * as tf from "@tensorflow/tfjs-core";
import { writeFileAtomically } from "../atomic_write.js";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../safetensors.js";
import { CheckpointError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import type { AnyModule } from "../nn/index.js";

const FORMAT = "kindling-task";
const VERSION = 1;
const STATE_PREFIX = "state.";
const FILE_PREFIX = "file.";

export interface TaskFile {
  /** The class of the task, such as `ImageClassifier`. */
  task: string;
  /** Everything the task needs to be built again. */
  config: unknown;
  state: Record<string, SafetensorsTensor>;
  /** Whole files that travel with the task, such as a frozen backbone's ONNX model. */
  files: Record<string, Uint8Array>;
}

/** @throws CheckpointError `ERR_FILE_WRITE` */
export async function writeTaskFile(
  path: string,
  task: string,
  config: unknown,
  module: AnyModule,
  files: Record<string, Uint8Array>,
): Promise<void> {
  const tensors: Record<string, SafetensorsTensor> = {};
  for (const [name, tensor] of Object.entries(module.stateDict())) {
    const data = await (tensor as tf.Tensor<tf.Rank>).data<"float32" | "int32">();
    tensors[STATE_PREFIX + name] = {
      dtype: tensor.dtype === "int32" ? "I32" : "F32",
      shape: tensor.shape,
      data,
    };
  }
  for (const [name, data] of Object.entries(files)) {
    tensors[FILE_PREFIX + name] = { dtype: "U8", shape: [data.length], data: new Uint8Array(data) };
  }
  const metadata = { format: FORMAT, version: String(VERSION), task, config: JSON.stringify(config) };
  await writeFileAtomically(path, encodeSafetensors(tensors, metadata));
}

/**
 * @throws CheckpointError `ERR_TASK_FILE` where the file cannot be read or is not a saved task of this kind;
 *   `ERR_SAFETENSORS_DAMAGED` where it is damaged
 */
export async function readTaskFile(path: string, task: string): Promise<TaskFile> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new CheckpointError("ERR_TASK_FILE", `${path} ${problem}`, { cause });
  };
  const bytes = await readFile(path).catch((error: unknown) =>
    refuse(`cannot be read: ${error instanceof Error ? error.message : String(error)}`, error),
  );
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata.format !== FORMAT) refuse("is a safetensors file, but no task that `save` has written.");
  if (Number(metadata.version) > VERSION) {
    refuse(
      `was written by a later version of Kindling (format ${metadata.version}; this one reads up to ${VERSION}).`,
    );
  }
  if (metadata.task !== task)
    refuse(`holds a ${metadata.task}, not a ${task}: call ${metadata.task}.load instead.`);
  const file: TaskFile = { task, config: JSON.parse(metadata.config ?? "{}"), state: {}, files: {} };
  for (const [name, tensor] of Object.entries(tensors)) {
    if (name.startsWith(STATE_PREFIX)) file.state[name.slice(STATE_PREFIX.length)] = tensor;
    else if (name.startsWith(FILE_PREFIX))
      file.files[name.slice(FILE_PREFIX.length)] = tensor.data as Uint8Array;
  }
  return file;
}

/**
 * The class of a saved task, from the head of its file.
 *
 * @throws CheckpointError `ERR_TASK_FILE`
 */
export async function readTaskName(path: string): Promise<string> {
  const metadata = await readMetadata(path).catch((cause: unknown) => {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError("ERR_TASK_FILE", `${path} cannot be read: ${problem}`, { cause });
  });
  if (metadata?.format === FORMAT && typeof metadata.task === "string") return metadata.task;
  throw new CheckpointError("ERR_TASK_FILE", `${path} is no task that \`save\` has written.`);
}

/** What a saved task's backbone is called, from the head of its file; undefined where it has none. */
export async function readBackboneName(path: string): Promise<string | undefined> {
  const metadata = await readMetadata(path);
  const config = JSON.parse(String(metadata?.config ?? "{}")) as BackboneHolder;
  return config.backbone?.name ?? config.source?.name ?? config.encoder ?? undefined;
}

/** Where the tasks name it. */
interface BackboneHolder {
  backbone?: { name: string };
  source?: { name: string };
  encoder?: string | null;
}

/** @returns undefined where the file is no safetensors file */
async function readMetadata(path: string): Promise<Record<string, unknown> | undefined> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const start = await file.read(Buffer.alloc(8), 0, 8, 0);
    const length = start.bytesRead === 8 ? start.buffer.readBigUInt64LE() : 0n;
    if (length === 0n || length > BigInt(size)) return undefined;
    const head = await file.read(Buffer.alloc(Number(length)), 0, Number(length), 8);
    const { __metadata__ } = JSON.parse(head.buffer.toString("utf8")) as {
      __metadata__?: Record<string, unknown>;
    };
    return __metadata__;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    await file.close();
  }
}

/** Puts saved weights into a module of the same form. */
export function restoreState(module: AnyModule, state: TaskFile["state"]): void {
  const tensors = Object.entries(state).map(([name, { data, shape }]): [string, HostTensor] => [
    name,
    new HostTensor(data as Float32Array | Int32Array, shape),
  ]);
  module.loadStateDict(Object.fromEntries(tensors));
}
