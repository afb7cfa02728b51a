/** Finds the data sets and models kept beside the repository, and skips the tests that need one that is missing. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe } from "vitest";

const sharedFolder = resolve(import.meta.dirname, "../../../shared");

/** The absolute path of `../shared/…`, or undefined where it does not exist. */
export function sharedPath(...parts: string[]): string | undefined {
  const path = resolve(sharedFolder, ...parts);
  return existsSync(path) ? path : undefined;
}

/**
 * A suite over a file or folder of `../shared`. Where it is missing, every test of the suite is skipped and the title
 * tells why. The body runs even then, to collect its tests, so it must read the path only inside hooks and tests.
 */
export function describeShared(relative: string, body: (path: string) => void): void {
  const path = resolve(sharedFolder, relative);
  describe.skipIf(!existsSync(path))(`${relative} (needs ../shared/${relative})`, () => body(path));
}
