/** Reads the numbers that `tests/golden/make_nn.py` took from PyTorch, and compares with them. */
import "../support/backend.js";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";

export interface GoldenTensor {
  shape: number[];
  data: number[];
}

export function readGolden<T>(name: string): T {
  const path = resolve(import.meta.dirname, `../golden/nn_${name}.json`);
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

export function tensorOf({ shape, data }: GoldenTensor, dtype: "float32" | "int32" = "float32"): tf.Tensor {
  return tf.tensor(data, shape, dtype);
}

/** The largest difference, relative to the largest magnitude or 1, must be below the tolerance. */
export function expectClose(actual: tf.Tensor, expected: GoldenTensor, tolerance = 1e-5): void {
  expect(actual.shape).toEqual(expected.shape);
  const values = actual.dataSync();
  const magnitude = Math.max(1, ...expected.data.map(Math.abs));
  const differences = expected.data.map((value, i) => Math.abs(values[i]! - value) / magnitude);
  expect(Math.max(0, ...differences)).toBeLessThan(tolerance);
}
