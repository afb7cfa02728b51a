/** What commands give back. That they run for every task is shown by tests/docs/commands.test.ts. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse as parseCsv } from "csv-parse/sync";
import { parse } from "yaml";
import { describeShared } from "../support/shared.js";
import { resultsOf, runCommand } from "./run_command.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const inFolder = (name: string): string => join(folder, name);

/** Few steps, and nothing in the working directory. */
const QUICK = ["--max-epochs", "1", "--limit-train-batches", "2", "--limit-val-batches", "1"];
const QUIET = [
  "--default-root-dir",
  folder,
  "--no-enable-progress-bar",
  "--no-enable-model-summary",
  "--seed",
  "3",
];

async function train(task: string, output: string, ...args: string[]): Promise<Record<string, unknown>> {
  const [result] = await resultsOf("train", task, "--output", inFolder(output), ...QUICK, ...QUIET, ...args);
  return result!;
}

/** The figures of a test are results, and stand in the run's own table. */
function expectTested({ metrics, logDir }: Record<string, unknown>, metric = "test_accuracy"): void {
  const value = (metrics as Record<string, number>)[metric];
  expect(value, JSON.stringify(metrics)).toBeGreaterThanOrEqual(0);
  const table = readFileSync(join(logDir as string, "metrics.csv"), "utf8");
  const rows = parseCsv<Record<string, string>>(table, { columns: true });
  expect(
    rows
      .map((row) => row[metric])
      .filter(Boolean)
      .map(Number),
  ).toEqual([value]);
}

describeShared("data/caltech12", (caltech) => {
  const pictures = join(caltech, "Leopards", "image_000*.jpg");

  beforeAll(async () => {
    const args = ["--train", caltech, "--val-split", "0.2", "--image-size", "32"];
    const result = await train("image-classifier", "images.kindling", ...args);
    expect(result.metrics).toMatchObject({ val_accuracy: expect.any(Number) as number });
    expect(existsSync(join(result.logDir as string, "metrics.csv"))).toBe(true);
  }, 240_000);

  it("answers for each picture of a pattern, and names the one that is missing", async () => {
    const { code, lines } = await runCommand(
      "predict",
      inFolder("images.kindling"),
      pictures,
      inFolder("no.jpg"),
    );
    const results = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(results).toHaveLength(10);
    for (const { input, prediction } of results.slice(0, 9)) {
      expect(input).toMatch(/image_000\d\.jpg$/);
      expect(prediction).toMatchObject({
        label: expect.any(String) as string,
        score: expect.any(Number) as number,
      });
    }
    expect(results[9]).toMatchObject({ input: inFolder("no.jpg"), error: { code: "ERR_IMAGE_MISSING" } });
    expect(code).toBe(1);
  });

  it.each([
    [["--top-k", "0"], "ERR_OUTPUT_OPTION"],
    [["--threshold", "2"], "ERR_OUTPUT_OPTION"],
    [["--beam-width", "4"], "ERR_PREDICT_OPTION"],
  ])("refuses to predict with %s", async (flag, errorCode) => {
    const { code, notes, lines } = await runCommand(
      "predict",
      inFolder("images.kindling"),
      pictures,
      ...flag,
    );
    expect(notes).toContain(errorCode);
    expect(lines).toEqual([]);
    expect(code).toBe(1);
  });

  it("tests a part that is taken from the training part, and keeps the figures", async () => {
    const args = ["--train", caltech, "--val-split", "0.2", "--test-split", "0.2", "--image-size", "32"];
    expectTested(await train("image-classifier", "tested.kindling", ...args));
  });

  it("evaluates and exports", async () => {
    const [metrics] = await resultsOf("evaluate", inFolder("images.kindling"), "--test", caltech);
    expect(metrics!.test_accuracy).toBeGreaterThan(0);
    const [written] = await resultsOf("export", inFolder("images.kindling"), inFolder("images.onnx"));
    expect(written).toMatchObject({ path: inFolder("images.onnx"), opset: 17 });
    expect(existsSync(inFolder("images.onnx"))).toBe(true);
  });

  it("repeats a run from its configuration, with the same result", async () => {
    const args = ["--train", caltech, "--val-split", "0.2", "--image-size", "32"];
    const first = await train("image-classifier", "first.kindling", ...args);
    const config = join(first.logDir as string, "config.yaml");
    expect(parse(readFileSync(config, "utf8"))).toMatchObject({
      task: "image-classifier",
      seed: 3,
      data: { train: caltech, valSplit: 0.2 },
      model: { imageSize: 32 },
      trainer: { maxEpochs: 1, limitTrainBatches: 2 },
    });
    const [again] = await resultsOf("train", "--config", config, "--output", inFolder("again.kindling"));
    expect(again!.metrics).toEqual(first.metrics);
    expect(readFileSync(inFolder("again.kindling")).equals(readFileSync(inFolder("first.kindling")))).toBe(
      true,
    );
  });

  it("suggests a learning rate", async () => {
    const args = [
      "--train",
      caltech,
      "--image-size",
      "32",
      "--num-training",
      "12",
      "--plot",
      inFolder("lr.png"),
    ];
    const [found] = await resultsOf("find-lr", "image-classifier", ...args, ...QUIET);
    expect(found!.lr).toHaveLength(12);
    expect(existsSync(inFolder("lr.png"))).toBe(true);
  });
});

describeShared("data/banking77", (banking) => {
  const args = ["--label-column", "category", "--val-split", "50"];
  const trainTexts = (output: string, ...data: string[]) =>
    train("text-classifier", output, ...data, ...args);

  it("tests texts on a part of the training part", { timeout: 240_000 }, async () => {
    expectTested(
      await trainTexts("split.kindling", "--train", join(banking, "train.csv"), "--test-split", "100"),
    );
  });

  it("tests texts on a file of their own", { timeout: 240_000 }, async () => {
    const data = ["--train", join(banking, "train.csv"), "--test", join(banking, "test.csv")];
    expectTested(await trainTexts("file.kindling", ...data, "--limit-test-batches", "2"));
  });
});

describeShared("data/raccoon", (raccoon) => {
  it("tests pictures whose part is named by its fields", { timeout: 240_000 }, async () => {
    const parts = ["train", "test"].flatMap((part) => [
      ...[`--${part}.images`, join(raccoon, "images")],
      ...[`--${part}.annotations`, join(raccoon, "annotations")],
    ]);
    const args = [
      "--format",
      "voc",
      ...parts,
      "--val-split",
      "8",
      "--backbone",
      "resnet18",
      "--no-pretrained",
      "--image-size",
      "64",
      "--batch-size",
      "2",
    ];
    expectTested(
      await train("object-detector", "voc.kindling", ...args, "--limit-test-batches", "1"),
      "test_map",
    );
  });
});

describe("lists", () => {
  it("tasks, backbones and devices", async () => {
    const tasks = await resultsOf("list", "tasks");
    expect(tasks.map(({ name }) => name)).toContain("object-detector");
    const backbones = await resultsOf("list", "backbones");
    expect(backbones).toContainEqual(expect.objectContaining({ name: "resnet18", domain: "image" }));
    const devices = await resultsOf("list", "devices");
    expect(JSON.stringify(devices)).toContain("cpu");
  });
});
