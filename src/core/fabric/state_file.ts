/**
 * Any nested state as one safetensors file: its tensors under their paths, so that a state dict alone is a file that every
 * reader of the format understands, and the rest as JSON in the metadata. Loading one runs no code.
 */
import { CheckpointError } from "../../errors.js";
import { decodeSafetensors, safetensorsChunks, type SafetensorsTensor } from "../../safetensors.js";
import { writeFileAtomically } from "../../atomic_write.js";
import { damaged, toFileTensor, toHostTensor } from "../checkpoint/checkpoint.js";
import { CHECKSUM_KEY, hasRightChecksum, NO_CHECKSUM, writeWithChecksum } from "../checkpoint/checksum.js";
import { packState, unpackState } from "../checkpoint/packing.js";
import { readCheckpointFile } from "../checkpoint/read_file.js";

const FORMAT = "kindling-state";
const FORMAT_VERSION = "1";
const ROOT = "state";

export interface StateFile {
  /** Plain values and HostTensors, nested. */
  state: Record<string, unknown>;
  /** What Fabric keeps beside the user's state. */
  precision?: Record<string, unknown>;
}

/**
 * Replaces the file only when all of it is on the disk.
 *
 * @throws CheckpointError `ERR_CHECKPOINT_VALUE` naming a value that a file cannot hold; `ERR_FILE_WRITE`
 */
export async function writeState(path: string, { state, precision }: StateFile): Promise<void> {
  const tensors: Record<string, SafetensorsTensor> = {};
  const packed = packState(state, ROOT, (tensor, place) => {
    const name = freeName(place.slice(ROOT.length + 1), tensors);
    tensors[name] = toFileTensor(tensor);
    return name;
  });
  const chunks = safetensorsChunks(tensors, {
    [CHECKSUM_KEY]: NO_CHECKSUM,
    format: FORMAT,
    version: FORMAT_VERSION,
    state: JSON.stringify(packed),
    ...(precision === undefined ? {} : { precision: JSON.stringify(packState(precision, "precision")) }),
  });
  await writeFileAtomically(path, (file) => writeWithChecksum(file, chunks));
}

/**
 * Reads a file of `writeState`, or any safetensors file: the state is then its tensors by their names.
 *
 * @throws CheckpointError where the file is missing, damaged, or of a newer version
 */
export async function readState(path: string): Promise<StateFile> {
  const bytes = await readCheckpointFile(path);
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (hasRightChecksum(bytes) === false) throw damaged(path, "its contents do not match their checksum");
  const host = new Map(
    Object.entries(tensors).map(([name, tensor]) => [name, toHostTensor(name, tensor, path)]),
  );
  const { format, version, state, precision } = metadata;
  if (format !== FORMAT || state === undefined) return { state: Object.fromEntries(host) };
  if (version !== FORMAT_VERSION) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_VERSION",
      `${path} has version ${version} of its format, and this release reads ${FORMAT_VERSION}. ` +
        "Use the release that wrote it, or a newer one.",
    );
  }
  return {
    state: unpackState(JSON.parse(state), host) as Record<string, unknown>,
    ...(precision === undefined
      ? {}
      : { precision: unpackState(JSON.parse(precision), new Map()) as Record<string, unknown> }),
  };
}

/** Two paths may read the same, where keys have dots in them. */
function freeName(path: string, taken: object): string {
  let name = path;
  for (let i = 2; Object.hasOwn(taken, name); i++) name = `${path}#${i}`;
  return name;
}
