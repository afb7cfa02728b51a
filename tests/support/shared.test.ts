/** Paths to the shared folder, where it is and where it is not. */
import { existsSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { expect, it } from "vitest";
import { sharedPath } from "./shared.js";

const root = sharedPath();

it("gives undefined for what is not there", () => {
  expect(sharedPath("no", "such", "folder")).toBeUndefined();
});

it.skipIf(root === undefined)("gives an absolute path beside the repository (needs ../shared)", () => {
  expect(isAbsolute(root!)).toBe(true);
  expect(existsSync(root!)).toBe(true);
  expect(existsSync(join(root!, "..", basename(process.cwd()), "package.json"))).toBe(true);
});
