/** What commands give back. That they run for every task is shown by tests/docs/commands.test.ts. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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

describeShared("data/caltech12", (caltech) => {
  const pictures = join(caltech, "Leopards", "image_000*.jpg");

  beforeAll(async () => {
    const args = ["--train", caltech, "--val-split", "0.2", "--image-size", "32"];
    const result = await train("image-classifier", "images.kindling", ...args);
    expect(result.metrics).toMatchObject({ val_accuracy: expect.any(Number) as number });
    expect(existsSync(join(result.logDir as string, "metrics.csv"))).toBe(true);
  }, 60_000);

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
