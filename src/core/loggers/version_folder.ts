/** Numbered folders of runs: `version_0`, `version_1`, … */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { LoggerError } from "../../errors.js";

/**
 * Makes the next `version_N` folder, N the first above those that exist. Two runs that start together get different ones.
 *
 * @throws LoggerError `ERR_LOGGER_FOLDER` where the folder cannot be made
 */
export function claimVersion(rootDir: string): number {
  return inFolder(rootDir, () => {
    mkdirSync(rootDir, { recursive: true });
    const versions = readdirSync(rootDir).map((name) => Number(/^version_(\d+)$/.exec(name)?.[1] ?? -1));
    for (let version = Math.max(-1, ...versions) + 1; ; version++) {
      try {
        mkdirSync(join(rootDir, `version_${version}`));
        return version;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    }
  });
}

/** A given version as a folder's name: a number N is `version_N`, a string stands for itself. */
export function versionFolder(version: number | string): string {
  return typeof version === "number" ? `version_${version}` : version;
}

/** @throws LoggerError `ERR_LOGGER_FOLDER` with what to do where `make` fails */
export function inFolder<T>(folder: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new LoggerError(
      "ERR_LOGGER_FOLDER",
      `The log folder ${folder} cannot be used: ${(error as Error).message}. Make it writable, or choose another ` +
        "saveDir (the Trainer's defaultRootDir for its own logger).",
      { cause: error },
    );
  }
}
