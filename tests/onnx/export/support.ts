/** What the tests of exports share: modules that are one function, inputs, and comparison with plain ONNX Runtime. */
import * as tf from "@tensorflow/tfjs-core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { HostTensor } from "../../../src/host_tensor.js";
import { Module } from "../../../src/nn/index.js";
import { Generator } from "../../../src/random.js";
import { runPlainOnnxRuntimeOn, type PlainInput } from "../../support/plain_onnx_runtime.js";

/** A module whose forward pass is a function. */
export class FunctionModule<Input = tf.Tensor> extends Module<Input, unknown> {
  readonly #forward: (input: Input) => unknown;

  constructor(forward: (input: Input) => unknown) {
    super();
    this.#forward = forward;
  }

  override forward(input: Input): unknown {
    return this.#forward(input);
  }
}

/** A folder for each test, that is gone afterwards. */
export function useFolder(): { readonly path: string; readonly file: string } {
  let path = "";
  beforeEach(() => (path = mkdtempSync(join(tmpdir(), "kindling-export-"))));
  afterEach(() => rmSync(path, { recursive: true }));
  return {
    get path() {
      return path;
    },
    get file() {
      return join(path, "model.onnx");
    },
  };
}

export function normals(...shape: number[]): HostTensor {
  const random = new Generator(8);
  const size = shape.reduce((a, b) => a * b, 1);
  return new HostTensor(
    Float32Array.from({ length: size }, () => random.normal()),
    shape,
  );
}

/** Whole numbers from 0 to below `limit`. */
export function integers(limit: number, ...shape: number[]): HostTensor {
  const random = new Generator(9);
  const size = shape.reduce((a, b) => a * b, 1);
  return new HostTensor(
    Int32Array.from({ length: size }, () => random.integer(limit)),
    shape,
  );
}

/** What a file gives in plain ONNX Runtime against what a module gives, for each of several inputs. */
export function expectSameResults(
  file: string,
  runs: readonly Record<string, PlainInput>[],
  expected: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
  tolerance = 1e-5,
): void {
  const results = runPlainOnnxRuntimeOn(file, runs);
  for (const [i, inputs] of runs.entries()) {
    tf.tidy(() => {
      const tensors = Object.entries(inputs).map(([name, { data, shape, dtype }]) => {
        const type = dtype === "int64" ? "int32" : dtype === "uint8" ? "float32" : dtype;
        return [name, tf.tensor(Array.from(data), [...shape], type)] as const;
      });
      for (const [name, tensor] of Object.entries(expected(Object.fromEntries(tensors)))) {
        const actual = results[i]![name]!;
        expect(actual.shape).toEqual(tensor.shape);
        const values = tensor.dataSync<"float32">();
        const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-6);
        actual.data.forEach((value, k) => {
          if (Object.is(value, values[k])) return;
          if (Math.abs(value - values[k]!) > tolerance * largest) expect(value).toBe(values[k]);
        });
      }
    });
  }
}
