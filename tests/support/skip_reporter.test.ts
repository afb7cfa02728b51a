/** Runs Vitest on a small folder of made-up tests and reads what the reporter prints. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const repository = resolve(import.meta.dirname, "../..");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skip-reporter-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function runVitest(files: Record<string, string>): string[] {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const vitest = join(repository, "node_modules/vitest/vitest.mjs");
  const reporter = join(repository, "tests/support/skip_reporter.ts");
  const options = ["--reporter=default", `--reporter=${reporter}`, "--no-color", "--globals"];
  const { stdout } = spawnSync(process.execPath, [vitest, "run", "--root", folder, ...options], {
    encoding: "utf8",
  });
  return stdout.trimEnd().split("\n");
}

it("names every skipped test with its reason, then ends in the plain counts", () => {
  const lines = runVitest({
    "mixed.test.js": `
      it("passes", () => {});
      it("fails", () => { throw new Error("on purpose"); });
      it.skip("by title (too slow here)", () => {});
      it.skip("bare", () => {});
      it.todo("planned");
      it("by note", (context) => context.skip("no GPU"));
      describe.skip("suite (needs ../shared/data)", () => {
        it("inner", () => {});
        it("own (own reason)", () => {});
      });
    `,
  });
  expect(lines.slice(-8)).toEqual([
    "Skipped: 6",
    "  mixed.test.js > by title (too slow here): too slow here",
    "  mixed.test.js > bare: no reason given",
    "  mixed.test.js > planned: not written yet",
    "  mixed.test.js > by note: no GPU",
    "  mixed.test.js > suite (needs ../shared/data) > inner: needs ../shared/data",
    "  mixed.test.js > suite (needs ../shared/data) > own (own reason): own reason",
    "1 passed, 1 failed, 6 skipped",
  ]);
});

it("counts a file that does not load and a broken hook as failed", () => {
  const lines = runVitest({
    "missing.test.js": `import "./nowhere.js";`,
    "hook.test.js": `
      it("passes", () => {});
      describe("suite", () => {
        beforeAll(() => { throw new Error("on purpose"); });
        it("never runs", () => {});
      });
    `,
  });
  expect(lines.at(-1)).toBe("1 passed, 2 failed, 1 skipped");
});

it("prints the counts alone where nothing is skipped", () => {
  const lines = runVitest({ "one.test.js": `it("passes", () => {});` });
  expect(lines.at(-1)).toBe("1 passed, 0 failed, 0 skipped");
  expect(lines.some((line) => line.startsWith("Skipped"))).toBe(false);
});
