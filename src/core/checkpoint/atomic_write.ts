/** Writes a file so that its name only ever stands for the whole old or the whole new content. */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CheckpointError } from "../../errors.js";

let written = 0;

/**
 * Writes to a temporary name in the same folder, syncs it to the disk and renames it. Folders are made as needed.
 *
 * @throws CheckpointError `ERR_FILE_WRITE` with the system's reason; what was there before is intact
 */
export async function writeFileAtomically(path: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${written++}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(
      "ERR_FILE_WRITE",
      `${path} could not be written: ${reason}. A file that was there before is unchanged.`,
      { cause: error },
    );
  }
}

/** Makes the rename itself durable. Windows cannot open folders and does without. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
