/** `kindling search` finds options, keeps every trial, and leaves a configuration that `train` takes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { resultsOf, runCommand } from "./run_command.js";
import "../support/backend.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-search-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const rows = Array.from({ length: 24 }, (_, i) => [
  `good happy day ${i},fine`,
  `sad bad night ${i},poor`,
]).flat();
const texts = write("texts.csv", `text,label\n${rows.join("\n")}\n`);
const DATA = ["--train", texts, "--val-split", "0.25", "--seed", "3"];

it(
  "tries options of the task and of its data, goes on where it was, and keeps the best",
  { timeout: 240_000 },
  async () => {
    const space = write(
      "space.yaml",
      "learningRate: {type: categorical, choices: [1.0e-7, 0.02]}\nbatchSize: {type: int, low: 8, high: 12, step: 4}\n",
    );
    const [best, plots, journal] = ["best.yaml", "plots", "trials.jsonl"].map((name) => join(folder, name));
    const search = (trials: number) =>
      resultsOf(
        ...[
          "search",
          "text-classifier",
          ...DATA,
          "--max-epochs",
          "2",
          "--space",
          space,
          "--journal",
          journal!,
        ],
        ...["--max-trials", String(trials), "--best", best!, "--plots", plots!, "--overwrite"],
      );
    expect(await search(2)).toHaveLength(3);
    const results = await search(5);
    expect(results.slice(0, -1).map(({ trial }) => trial)).toEqual([2, 3, 4]);
    const found = results.at(-1)!;
    expect(found).toMatchObject({ monitor: "val_accuracy", config: best });
    const config = parse(readFileSync(best!, "utf8")) as Record<string, Record<string, unknown>>;
    const parameters = found.parameters as Record<string, unknown>;
    expect(config).toMatchObject({
      task: "text-classifier",
      seed: 3,
      model: { learningRate: parameters.learningRate },
      data: { train: texts, valSplit: 0.25, batchSize: parameters.batchSize },
      trainer: { maxEpochs: 2 },
    });
    for (const name of ["history.png", "importance.png"]) expect(existsSync(join(plots!, name))).toBe(true);
    const [trained] = await resultsOf(
      ...["train", "--config", best!, "--output", join(folder, "best.kindling")],
      ...["--default-root-dir", folder, "--no-enable-progress-bar", "--no-enable-model-summary"],
    );
    expect((trained!.metrics as Record<string, number>).val_accuracy).toBeGreaterThanOrEqual(
      Number(found.value),
    );
  },
);

describe("a space that cannot be searched", () => {
  it.each([
    ["learningRat: {type: float, low: 0, high: 1}", 'Did you mean "learningRate"?'],
    ["batchSize: {type: categorical, choices: [8, many]}", "batchSize: expected a number"],
    ["finetune: {type: conditional, branches: {frozen: {}}}", "finetune: expected a choice"],
    ["learningRate: {type: float, low: 1, high: 0}", "the lower one first"],
    ["- a list", "a search space is an object"],
    ["learningRate: [unclosed", "cannot be read"],
  ])("%s", async (text, message) => {
    const space = write("bad.yaml", text);
    const { code, notes } = await runCommand("search", "text-classifier", ...DATA, "--space", space);
    expect(notes).toContain("ERR_SEARCH_SPACE");
    expect(notes).toContain(message);
    expect(code).toBe(1);
  });

  it("is none at all", async () => {
    const { notes } = await runCommand("search", "text-classifier", ...DATA);
    expect(notes).toContain("--space FILE");
  });

  it("has a metric of which nobody knows whether it is to rise", async () => {
    const space = write("good.yaml", "learningRate: {type: float, low: 0.001, high: 0.1}");
    const args = ["--space", space, "--monitor", "val_f1"];
    const { notes } = await runCommand("search", "text-classifier", ...DATA, ...args);
    expect(notes).toContain("--direction");
  });
});
