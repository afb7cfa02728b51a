/** Reads a file whole, however large it is. */
import { open } from "node:fs/promises";
import { CheckpointError } from "../../errors.js";

/** A single read gives at most 2 GiB. */
const READ_BYTES = 2 ** 30;

/** @throws CheckpointError `ERR_CHECKPOINT_READ` where the file cannot be read */
export async function readCheckpointFile(path: string): Promise<Uint8Array> {
  try {
    return await readWhole(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("ERR_CHECKPOINT_READ", `The checkpoint ${path} cannot be read: ${reason}.`, {
      cause: error,
    });
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const bytes = new Uint8Array((await file.stat()).size);
    for (let position = 0; position < bytes.length;) {
      const length = Math.min(READ_BYTES, bytes.length - position);
      const { bytesRead } = await file.read(bytes, position, length, position);
      if (bytesRead === 0) return bytes.subarray(0, position);
      position += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
