import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { engine } from "../../src/engine/index.js";
import { compareBackends } from "../support/compare_backends.js";

let folder: string;
const file = () => join(folder, "cache", "lowerings.json");
const stored = () => JSON.parse(readFileSync(file(), "utf8")) as Record<string, Record<string, string>>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lowerings-"));
});
afterEach(async () => {
  await engine.use({ accelerator: "cpu" });
  rmSync(folder, { recursive: true });
});

/** A convolution of 16 channels with both gradients, on a batch that fills blocks, as TF.js's cpu backend has it. */
function convolve(size: number): void {
  const { outputDifference, gradientDifferences } = compareBackends(
    (x, filter) =>
      tf.conv2d(
        tf.relu(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same")),
        filter as tf.Tensor4D,
        1,
        "same",
      ),
    [{ shape: [16, size, size, 16] }, { shape: [3, 3, 16, 16] }],
    true,
  );
  for (const difference of [outputDifference, ...gradientDifferences]) expect(difference).toBeLessThan(1e-5);
}

describe("engine.use({ benchmark })", () => {
  test("times the ways of each operator once, remembers the fastest, and computes the same", async () => {
    await engine.use({ accelerator: "cpu", benchmark: { file: file() } });
    convolve(6);
    const [[machine, choices]] = Object.entries(stored()) as [[string, Record<string, string>]];
    expect(machine).toMatch(/^ONNX Runtime 1\..* threads$/);
    const operators = Object.keys(choices);
    expect(operators.filter((key) => key.startsWith("convolution"))).toHaveLength(3);
    expect(operators.filter((key) => key.startsWith("weight gradient"))).toHaveLength(1);
    for (const way of Object.values(choices))
      expect(["implicit", "columns", "all", "blocked"]).toContain(way);
  });

  test("takes what the file says, whatever it is, without timing it again", async () => {
    await engine.use({ accelerator: "cpu", benchmark: { file: file() } });
    convolve(6);
    const [[machine, choices]] = Object.entries(stored()) as [[string, Record<string, string>]];
    for (const way of ["implicit", "columns", "all"]) {
      const told = Object.fromEntries(
        Object.keys(choices).map((key) => [key, key.startsWith("weight") ? "blocked" : way]),
      );
      writeFileSync(file(), JSON.stringify({ another: {}, [machine]: told }));
      await engine.use({ accelerator: "cpu", benchmark: { file: file() } });
      convolve(6);
      expect(stored()).toEqual({ another: {}, [machine]: told });
    }
    const columns = Object.fromEntries(Object.keys(choices).map((key) => [key, "columns"]));
    writeFileSync(file(), JSON.stringify({ [machine]: columns }));
    await engine.use({ accelerator: "cpu", benchmark: { file: file() } });
    convolve(6);
    convolve(5);
    expect(Object.keys(stored()[machine]!)).toHaveLength(8);
  });

  test("is off by default", async () => {
    await engine.use({ accelerator: "cpu" });
    convolve(6);
    expect(stored).toThrow("no such file");
  });

  test("a file of something else, or one that cannot be written, is an error", async () => {
    const other = join(folder, "other.json");
    for (const text of ["{", "[]", "3"]) {
      writeFileSync(other, text);
      await expect(engine.use({ accelerator: "cpu", benchmark: { file: other } })).rejects.toMatchObject({
        code: "ERR_ENGINE_BENCHMARK_FILE",
        message: expect.stringContaining("Delete it to have them timed anew") as string,
      });
    }
    await engine
      .use({ accelerator: "cpu", benchmark: { file: join(other, "below.json") } })
      .catch(() => undefined);
    await engine.use({ accelerator: "cpu", benchmark: { file: file() } });
    writeFileSync(join(folder, "cache"), "a file where a folder is to be");
    expect(() => convolve(7)).toThrow(expect.objectContaining({ code: "ERR_ENGINE_BENCHMARK_FILE" }));
  });
});
