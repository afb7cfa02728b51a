/** Every command of docs/command-line.md runs, in a folder where the files that it names are real data. Training is cut short. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../cli/run_command.js";
import { sharedPath } from "../support/shared.js";
import "../support/backend.js";

const page = readFileSync(new URL("../../docs/command-line.md", import.meta.url), "utf8");
const commands = [...page.matchAll(/^```sh\n(.*?)^```/gms)]
  .flatMap((match) => match[1]!.split("\n"))
  .filter((line) => line.startsWith("kindling "));

/** Appended, so that they come after what the page says. */
const CUT: Record<string, readonly string[]> = {
  train: [
    "--max-epochs",
    "1",
    "--limit-train-batches",
    "2",
    "--limit-val-batches",
    "1",
    "--no-enable-progress-bar",
  ],
  search: ["--max-epochs", "1", "--limit-train-batches", "2", "--limit-val-batches", "1"],
  "find-lr": ["--num-training", "5", "--no-enable-progress-bar"],
};
/** A page's backbone would come from the hub. */
const LOCAL: Record<string, string | undefined> = { mobilenet_v2: sharedPath("models", "mobilenet_v2") };

const DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!);
}

function prepare(folder: string): void {
  for (const [name, ...path] of [
    ["photos", "data", "caltech12"],
    ["raccoon", "data", "raccoon"],
    ["recordings", "data", "fsdd", "recordings"],
    ["train.csv", "data", "banking77", "train.csv"],
    ["test.csv", "data", "banking77", "test.csv"],
  ]) {
    symlinkSync(sharedPath(...path)!, join(folder, name!));
  }
  const sounds = readdirSync(join(folder, "recordings")).filter((name) => /_[0-2]\.wav$/.test(name));
  const table = (column: string, text: (digit: number) => string) =>
    [`audio,${column}`, ...sounds.map((name) => `recordings/${name},${text(Number(name[0]))}`), ""].join(
      "\n",
    );
  writeFileSync(join(folder, "digits.csv"), table("digit", String));
  writeFileSync(
    join(folder, "spoken.csv"),
    table("text", (digit) => DIGITS[digit]!),
  );
  const files = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map((match) => match[1]!);
  for (const [i, name] of ["run.yaml", "space.yaml"].entries()) writeFileSync(join(folder, name), files[i]!);
}

const isThere = [
  "data/caltech12",
  "data/raccoon",
  "data/fsdd",
  "data/banking77",
  "models/mobilenet_v2",
].every((path) => sharedPath(path) !== undefined);

describe.skipIf(!isThere)("docs/command-line.md (needs ../shared/data and ../shared/models)", () => {
  const folder = mkdtempSync(join(tmpdir(), "kindling-commands-"));
  const before = process.cwd();
  beforeAll(() => {
    prepare(folder);
    process.chdir(folder);
  });
  afterAll(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  });

  it.each(commands)("%s", { timeout: 240_000 }, async (line) => {
    const [, command, ...args] = words(line).map((word) => LOCAL[word] ?? word);
    const { code, lines, notes } = await runCommand(command!, ...args, ...(CUT[command!] ?? []));
    expect({ code, notes: code === 0 ? "" : notes }).toEqual({ code: 0, notes: "" });
    expect(lines.length).toBeGreaterThan(0);
    if (args.includes("--print-config")) return;
    for (const result of lines) expect(JSON.parse(result)).not.toHaveProperty("error");
  });
});
