/** A symbolic link that takes the place of whatever had its name, in one step. */
import { rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { CheckpointError } from "../../../errors.js";

/**
 * The link is relative, so that a folder can be moved as a whole.
 *
 * @throws CheckpointError `ERR_CHECKPOINT_LINK` where the file system has no links; what was there before is intact
 */
export async function linkAtomically(target: string, path: string): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.link`);
  try {
    await rm(temporary, { force: true });
    await symlink(relative(folder, target), temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(
      "ERR_CHECKPOINT_LINK",
      `${path} could not be made a link to ${target}: ${reason}. Use saveLast: true, which writes the file twice.`,
      { cause: error },
    );
  }
}
