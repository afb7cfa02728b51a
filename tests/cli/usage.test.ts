/** What the command line says to mistakes, and how it ends. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bundleProgram } from "../../bench/bundle.js";
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

describe("a number that an option cannot be is refused before data are read", () => {
  const space = write("space.yaml", "learningRate: {type: float, low: 0.001, high: 0.1}");
  it.each([
    ["train image-classifier --max-epochs -2", "ERR_TRAINER_OPTION", "maxEpochs"],
    ["train image-classifier --limit-train-batches 1.5", "ERR_TRAINER_OPTION", "limitTrainBatches"],
    ["train image-classifier --gradient-clip-val 0", "ERR_TRAINER_OPTION", "gradientClipVal"],
    ["train image-classifier --devices 1.5", "ERR_", "1.5"],
    ["train image-classifier --seed 1.5", "ERR_SEED", "1.5"],
    ["train image-classifier --batch-size -1", "ERR_DATA_OPTION", "batchSize"],
    ["train image-classifier --val-split 1.5", "ERR_SPLIT", "1.5"],
    ["train image-classifier --cache-bytes -1", "ERR_DATA_OPTION", "cacheBytes"],
    ["train image-classifier --max-pixels 0", "ERR_DECODE_OPTION", "maxPixels"],
    ["train image-classifier --timeout-seconds 1e9", "ERR_DECODE_OPTION", "timeoutSeconds"],
    ["train object-detector --max-bytes 0", "ERR_DECODE_OPTION", "maxBytes"],
    ["train text-classifier --format csv --batch-size 2.5", "ERR_DATA_OPTION", "batchSize"],
    ["train token-classifier --format conll --batch-size 0", "ERR_DATA_OPTION", "batchSize"],
    ["train audio-classifier --max-seconds 0", "ERR_DATA_OPTION", "maxSeconds"],
    ["train speech-recognizer --min-seconds 5 --max-seconds 2", "ERR_DATA_OPTION", "maxSeconds"],
    ["find-lr image-classifier --num-training 1", "ERR_TUNER_OPTION", "numTraining"],
    ["find-lr image-classifier --early-stop-threshold 1", "ERR_TUNER_OPTION", "earlyStopThreshold"],
    [`search text-classifier --space ${space} --max-trials 0`, "ERR_SEARCH_OPTION", "maxTrials"],
    [`search text-classifier --space ${space} --max-epochs -2`, "ERR_TRAINER_OPTION", "maxEpochs"],
  ])("%s", async (line, errorCode, message) => {
    const { code, notes } = await runCommand(...line.split(" "), "--train", join(folder, "nowhere"));
    expect(notes).toContain(errorCode);
    expect(notes).toContain(message);
    expect(code).toBe(1);
  });

  it.each([
    ["--port", "70000"],
    ["--max-batch-size", "0"],
    ["--max-wait-ms", "-1"],
  ])("serve %s %s", async (...flag) => {
    const { code, notes } = await runCommand("serve", join(folder, "none.kindling"), ...flag);
    expect(notes).toContain("ERR_SERVE_OPTION");
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
      [bundleProgram(resolve(import.meta.dirname, "../../src/cli/bin.ts")), ...args],
      { encoding: "utf8" },
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
