/** Weights in fewer bits: what is stored, how far results are, and how large files become. */
import * as tf from "@tensorflow/tfjs-core";
import { readdirSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import "../../support/backend.js";
import { Conv2d, Embedding, Flatten, Linear, Module, Relu, Sequential } from "../../../src/nn/index.js";
import { toFloat16 } from "../../../src/onnx/export/float16.js";
import { numbersOf } from "../../../src/onnx/format/numbers.js";
import { exportOnnx, readOnnx } from "../../../src/onnx/index.js";
import { expectSameResults, FunctionModule, integers, normals, useFolder } from "./support.js";

const folder = useFolder();

function half(bits: number[]): number[] {
  const data = Uint16Array.from(bits);
  return Array.from(numbersOf({ name: "", type: "float16", shape: [data.length], data, docString: "" }));
}

describe("toFloat16", () => {
  it("gives back every float16", () => {
    const all = Array.from({ length: 2 ** 16 }, (_, bits) => bits).filter(
      (bits) => (bits & 0x7fff) <= 0x7c00, // NaN has many forms
    );
    const numbers = half(all);
    numbers.forEach((number, i) => {
      if (toFloat16(number) !== all[i]) expect(toFloat16(number)).toBe(all[i]);
    });
    expect(half([toFloat16(NaN)])[0]).toBeNaN();
  });

  it("rounds to the nearest, and what lies between two to the even one", () => {
    // IEEE 754: 11 bits of precision from 2⁻¹⁴ on, steps of 2⁻²⁴ below; 65504 is the largest.
    const cases: [number, number][] = [
      [1 + 2 ** -11, 1],
      [1 + 3 * 2 ** -11, 1 + 2 ** -9],
      [1 + 2 ** -11 + 2 ** -20, 1 + 2 ** -10],
      [-(1 + 2 ** -11 + 2 ** -20), -(1 + 2 ** -10)],
      [2 ** -25, 0],
      [1.5 * 2 ** -24, 2 ** -23],
      [2.5 * 2 ** -24, 2 ** -23],
      [2 ** -25 + 2 ** -40, 2 ** -24],
      [65519, 65504],
      [65520, Infinity],
      [-1e9, -Infinity],
    ];
    for (const [given, expected] of cases) expect(half([toFloat16(given)])[0]).toBe(expected);
  });
});

describe("exportOnnx", () => {
  const network = () =>
    new Sequential(
      new Conv2d(3, 32, 3),
      new Relu(),
      new Conv2d(32, 32, 3),
      new Relu(),
      new Flatten(),
      new Linear(32 * 4 * 4, 7),
    );

  it("with float16 weights halves the file, and stays within float16's precision", async () => {
    const module = network();
    const inputs = normals(4, 8, 8, 3);
    const full = await exportOnnx(module, folder.file, { inputs });
    const { bytes, difference } = await exportOnnx(module, folder.file, { inputs, weights: "float16" });
    expect(bytes / full.bytes).toBeLessThan(0.56);
    expect(full.difference.relative).toBeLessThan(1e-5);
    expect(difference.relative).toBeGreaterThan(1e-5);
    expect(difference.relative).toBeLessThan(2 ** -9);
    const { graph } = await readOnnx(folder.file);
    const stored = graph.initializers.get("5.weight")!;
    expect(stored.type).toBe("float16");
    const weights = module.stateDict()["5.weight"]!.dataSync<"float32">();
    const numbers = numbersOf(stored);
    weights.forEach((weight, i) =>
      expect(Math.abs(numbers[i]! - weight)).toBeLessThanOrEqual(Math.abs(weight) * 2 ** -11 + 2 ** -25),
    );
    expect(graph.initializers.get("5.bias")!.type).toBe("float32");
    expectSameResults(
      folder.file,
      [{ input: normals(2, 8, 8, 3) }],
      ({ input }) => ({ output: module.eval().forward(input!) }),
      2 ** -9,
    );
  });

  it("with int8 weights makes a quarter of the file: a scale for each output channel", async () => {
    const module = network();
    const inputs = normals(4, 8, 8, 3);
    const full = await exportOnnx(module, folder.file, { inputs });
    const { bytes, difference } = await exportOnnx(module, folder.file, { inputs, weights: "int8" });
    expect(bytes / full.bytes).toBeLessThan(0.33);
    expect(difference.relative).toBeGreaterThan(1e-4);
    expect(difference.relative).toBeLessThan(0.03);
    const { graph } = await readOnnx(folder.file);
    const restored = graph.nodes.filter(({ operator }) => operator === "DequantizeLinear");
    expect(restored).toHaveLength(3);
    for (const {
      inputs: [name, scale],
      attributes,
    } of restored) {
      const stored = graph.initializers.get(name!)!;
      const scales = graph.initializers.get(scale!)!.data as Float32Array;
      expect(attributes.get("axis")).toEqual({ kind: "int", value: 0 });
      const weights = module.stateDict()[name!]!.dataSync<"float32">();
      const size = weights.length / scales.length;
      weights.forEach((weight, i) => {
        const step = scales[Math.floor(i / size)]!;
        expect(Math.abs(Number(stored.data[i]) * step - weight)).toBeLessThanOrEqual(step * 0.5001);
      });
      expect(Math.max(...Array.from(stored.data as Int8Array, Math.abs))).toBe(127);
    }
  });

  it("with int8 weights stores tables of embeddings by rows", async () => {
    class Words extends Module {
      readonly table = new Embedding(40, 16);

      override forward(ids: Parameters<Embedding["forward"]>[0]) {
        return this.table.forward(ids);
      }
    }
    const module = new Words();
    const { difference } = await exportOnnx(module, folder.file, {
      inputs: integers(40, 2, 5),
      weights: "int8",
    });
    expect(difference.relative).toBeLessThan(0.5 / 127 + 1e-6);
    const { graph } = await readOnnx(folder.file);
    expect(graph.initializers.get("table.weight_scale")!.shape).toEqual([40]);
  });

  it("keeps what float16 cannot hold", async () => {
    const module = new Linear(32, 32);
    tf.tidy(() => module.weight.assign(tf.mul(module.weight, 1e7)));
    await exportOnnx(module, folder.file, { inputs: normals(2, 32), weights: "float16" });
    expect((await readOnnx(folder.file)).graph.initializers.get("weight")!.type).toBe("float32");
  });

  it("puts weights into a second file if asked for, and no half of the two is left by a failure", async () => {
    const module = network();
    const { bytes } = await exportOnnx(module, folder.file, {
      inputs: normals(2, 8, 8, 3),
      externalData: true,
    });
    expect(readdirSync(folder.path).sort()).toEqual(["model.onnx", "model.onnx_data"]);
    expect(statSync(folder.file).size).toBeLessThan(8000);
    expect(bytes).toBe(statSync(folder.file).size + statSync(`${folder.file}_data`).size);
    expectSameResults(folder.file, [{ input: normals(5, 8, 8, 3) }], ({ input }) => ({
      output: module.eval().forward(input!),
    }));
    const before = statSync(folder.file).mtimeMs;
    let calls = 0;
    const changing = new FunctionModule((x: tf.Tensor) => (calls++ === 0 ? tf.sin(x) : tf.cos(x)));
    const options = { inputs: normals(2, 6), dynamicAxes: {}, externalData: true };
    await expect(exportOnnx(changing, folder.file, options)).rejects.toMatchObject({
      code: "ERR_EXPORT_CHECK",
    });
    expect(readdirSync(folder.path).sort()).toEqual(["model.onnx", "model.onnx_data"]);
    expect(statSync(folder.file).mtimeMs).toBe(before);
  });
});
