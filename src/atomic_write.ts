/** Writes a file so that its name only ever stands for the whole old or the whole new content. */
import { mkdir, open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CheckpointError } from "./errors.js";
import { isRunning } from "./process_identity.js";

let written = 0;

/**
 * Writes to a temporary name in the same folder, syncs it to the disk, renames it and syncs the folder. Folders are made
 * as needed. What a killed process left of the same file is removed.
 *
 * @param content the bytes, or a function that writes them
 * @throws CheckpointError `ERR_FILE_WRITE` with the system's reason; what was there before is intact
 */
export async function writeFileAtomically(
  path: string,
  content: Uint8Array | string | ((file: FileHandle) => Promise<void>),
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${written++}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    await removeLeftovers(folder, basename(path));
    const file = await open(temporary, "wx");
    try {
      await (typeof content === "function" ? content(file) : file.writeFile(content));
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
      `${path} could not be written: ${reason}.${adviceFor(error)} A file that was there before is unchanged.`,
      { cause: error },
    );
  }
}

function adviceFor(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT")
    return " Free space on that disk, or keep fewer checkpoints (saveTopK).";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return " Choose a folder that this process may write to.";
  return "";
}

/** Removes the temporary files of processes that are gone. */
async function removeLeftovers(folder: string, name: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(`.${name}.`) || !entry.endsWith(".tmp")) continue;
    const pid = Number(/^(\d+)\.\d+\.tmp$/.exec(entry.slice(name.length + 2))?.[1]);
    if (Number.isInteger(pid) && !isRunning(pid)) await rm(join(folder, entry), { force: true });
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
