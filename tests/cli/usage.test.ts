/** What the command line says to mistakes, and how it ends. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCommand } from "./run_command.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-usage-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("a command line that is not understood", () => {
  it.each([
    [["trian"], "Did you mean train?"],
    [["train", "image-clasifier"], "image-classifier"],
    [["train", "image-classifier", "--max-epoch", "3"], "Did you mean --max-epochs?"],
    [["train", "image-classifier", "--max-epochs", "many"], "Expected a number, not many"],
    [["train", "image-classifier", "--on-bad-sample", "skp"], 'Did you mean "skip"?'],
    [["predict"], "missing required argument 'model'"],
    [["list", "planets"], "Allowed choices are tasks, backbones, devices"],
  ])("%s", async (args, message) => {
    const { code, notes } = await runCommand(...args);
    expect(notes).toContain(message);
    expect(code).toBe(2);
  });
});

describe("a run that cannot be", () => {
  const model = write("model.kindling", "no model");
  it.each([
    [["train", "image-classifier"], "ERR_DATA_FORMAT", "--train PATH"],
    [
      ["train", "image-classifier", "--train", "a", "--format", "csw"],
      "ERR_DATA_FORMAT",
      'Did you mean "csv"?',
    ],
    [
      ["train", "image-classifier", "--train", "a", "--format", "folders", "--delimiter", ";"],
      "ERR_DATA_FORMAT",
      "--delimiter",
    ],
    [["train", "image-classifier", "--train", folder, "--output", model], "ERR_OUTPUT_EXISTS", "--overwrite"],
    [["predict", model, "x.jpg"], "ERR_TASK_FILE", "is no task"],
    [["predict", join(folder, "none"), "x.jpg"], "ERR_TASK_FILE", "cannot be read"],
  ])("%s", async (args, errorCode, message) => {
    const { code, notes } = await runCommand(...args);
    expect(notes).toContain(errorCode);
    expect(notes).toContain(message);
    expect(code).toBe(1);
  });
});

describe("a configuration file", () => {
  it.each([
    ["task: image-clasifier", 'Did you mean "image-classifier"?'],
    ["data: {train: a}", "names no `task`"],
    ["task: image-classifier\ntrainer: {maxEpoch: 3}", "no option `trainer.maxEpoch`"],
    ["task: image-classifier\ntrainer: {maxEpochs: many}", "`trainer.maxEpochs`: expected a number"],
    ["task: image-classifier\nmodle: {}", "no option `modle`"],
    ["task: [unclosed", "cannot be read"],
    ["- a list", "holds no mapping"],
  ])("%s", async (text, message) => {
    const { code, notes } = await runCommand("train", "--config", write("run.yaml", text));
    expect(notes).toContain("ERR_");
    expect(notes).toContain(message);
    expect(code).toBe(1);
  });

  it("is what --print-config prints, with flags before it", async () => {
    const given =
      "task: object-detector\nformat: voc\nseed: 4\ntrainer: {maxEpochs: 3}\ndata: {train: {images: a, annotations: b}}";
    const config = write("given.yaml", given);
    const first = await runCommand(
      "train",
      "object-detector",
      "--config",
      config,
      "--max-epochs",
      "5",
      "--print-config",
    );
    expect(first.code).toBe(0);
    const text = first.lines.join("\n");
    expect(text).toContain("maxEpochs: 5");
    expect(text).toMatch(/train:\n +images: a\n +annotations: b/);
    const again = await runCommand(
      "train",
      "object-detector",
      "--config",
      write("printed.yaml", text),
      "--print-config",
    );
    expect(again.lines).toEqual(first.lines);
  });
});

describe("the program", () => {
  const run = (...args: string[]) =>
    spawnSync(
      process.execPath,
      ["--import", "tsx", "--conditions=kindling-source", "src/cli/bin.ts", ...args],
      {
        encoding: "utf8",
      },
    );

  it("helps, and completes words", () => {
    expect(run("--help")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("predict [options] <model>") as string,
    });
    expect(run("complete", "--", "train", "im").stdout).toContain("image-classifier");
    expect(run("complete", "bash").stdout).toContain("complete");
  });

  it("ends with 2 for what it does not understand, and with 1 for a failure", () => {
    expect(run("predikt").status).toBe(2);
    expect(run("predict", "nothing.kindling", "x")).toMatchObject({ status: 1, stdout: "" });
  });
});
