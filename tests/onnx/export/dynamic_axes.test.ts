/** Axes of any length: what plain ONNX Runtime computes at lengths that nothing was recorded at. */
import * as tf from "@tensorflow/tfjs-core";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import "../../support/backend.js";
import { Bert, type BertInput } from "../../../src/backbones/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import {
  BatchNorm2d,
  Conv1d,
  Conv2d,
  Dropout,
  Flatten,
  Gelu,
  GroupNorm,
  Linear,
  MaxPool2d,
  Module,
  Relu,
  scaledDotProductAttention,
  Sequential,
  TransformerEncoderLayer,
} from "../../../src/nn/index.js";
import { exportOnnx, readOnnx } from "../../../src/onnx/index.js";
import { expectSameResults, FunctionModule, integers, normals, useFolder } from "./support.js";

const folder = useFolder();

type Function = (x: tf.Tensor) => tf.Tensor;

describe("the batch", () => {
  it.each([
    ["a multilayer perceptron", () => new Sequential(new Linear(6, 8), new Gelu(), new Linear(8, 3)), [6]],
    [
      "a convolutional network",
      () =>
        new Sequential(
          new Conv2d(3, 16, 3, { padding: 1, bias: false }),
          new BatchNorm2d(16),
          new Relu(),
          new MaxPool2d(2),
          new Conv2d(16, 8, 3, { stride: 2, padding: 1 }),
          new GroupNorm(2, 8),
          new Dropout(0.5),
          new Flatten(),
          new Linear(8 * 2 * 2, 5),
        ),
      [8, 8, 3],
    ],
    [
      "a transformer layer",
      () => new TransformerEncoderLayer(16, 4, { dimFeedforward: 32, dropout: 0.3, batchFirst: true }),
      [5, 16],
    ],
  ] as [string, () => Module, number[]][])("of %s has any size", async (_, create, shape) => {
    const module = create();
    await exportOnnx(module, folder.file, { inputs: normals(2, ...shape) });
    expect(module.training).toBe(true);
    module.eval();
    const runs = [1, 2, 4, 9].map((batch) => ({ input: normals(batch, ...shape) }));
    expectSameResults(folder.file, runs, ({ input }) => ({ output: module.forward(input!) }));
    const { graph } = await readOnnx(folder.file);
    expect(graph.inputs[0]!.type).toMatchObject({ kind: "tensor", shape: ["batch", ...shape] });
    expect(graph.outputs[0]!.type).toMatchObject({ type: "float32" });
    expect((graph.outputs[0]!.type as { shape: unknown[] }).shape[0]).toBe("batch");
    expect(graph.nodes.map(({ operator }) => operator)).not.toContain("Dropout");
  });

  it("has a batch norm inside the convolution before it, whose weight keeps its name", async () => {
    const module = new Sequential(new Conv2d(3, 4, 3, { bias: false }), new BatchNorm2d(4), new Relu());
    await exportOnnx(module, folder.file, { inputs: normals(2, 6, 6, 3) });
    const { graph } = await readOnnx(folder.file);
    expect(graph.nodes.map(({ operator }) => operator)).toEqual(["Transpose", "Conv", "Relu", "Transpose"]);
    expect([...graph.initializers.keys()]).toEqual(expect.arrayContaining(["0.weight", "0.bias"]));
  });
});

describe("a length", () => {
  const cases: [string, Function][] = [
    ["of zeros", (x) => tf.add(x, tf.zeros([x.shape[0], x.shape[1]!, 4]))],
    ["of a number filled in", (x) => tf.mul(x, tf.fill([x.shape[1]!, 4], 2.5))],
    ["of positions", (x) => tf.add(x, tf.reshape(tf.range(0, x.shape[1]!), [1, x.shape[1]!, 1]))],
    ["of positions by threes, backwards", (x) => tf.add(x, tf.reshape(tf.range(0, -3 * x.shape[1]!, -3), [1, x.shape[1]!, 1]))],
    ["that a sum is divided by", (x) => tf.div(tf.sum(x, 1), x.shape[1]!)],
    ["that divides a number", (x) => tf.mul(x, 3 / x.shape[1]!)],
    ["as a mean", (x) => tf.mean(x, [1, 2])],
    ["with a token before it", (x) => tf.concat([tf.ones([x.shape[0], 1, 4]), x], 1)],
    ["without its last element", (x) => tf.slice(x, [0, 0, 0], [-1, x.shape[1]! - 1, -1])],
    ["in its first half", (x) => tf.slice(x, [0, 0, 0], [-1, Math.floor(x.shape[1]! / 2), -1])],
    ["with every other element", (x) => tf.stridedSlice(x, [0, 0, 0], x.shape, [1, 2, 1])],
    ["turned round", (x) => tf.reverse(x, 1)],
    ["twice", (x) => tf.tile(x, [1, 2, 1])],
    ["padded", (x) => tf.pad(x, [[0, 0], [1, 2], [0, 0]])],
    ["moved into the batch", (x) => tf.reshape(x, [x.shape[0] * x.shape[1]!, 4])],
    ["moved into the batch and back", (x) => tf.reshape(tf.tanh(tf.reshape(x, [-1, 4])), [x.shape[0], x.shape[1]!, 2, 2])],
    ["moved to the end", (x) => tf.transpose(x, [0, 2, 1])],
    ["against itself", (x) => tf.softmax(tf.matMul(x, x, false, true))],
    ["of which the largest is wanted", (x) => tf.max(x, 1)],
    ["of which the place of the largest is wanted", (x) => tf.argMax(x, 1)],
    ["of a causal attention", (x) => scaledDotProductAttention(x, x, x, { isCausal: true })],
    ["with a table of positions", (x) => tf.add(x, tf.tensor(Float32Array.from({ length: x.shape[1]! * 4 }, (_, i) => Math.sin(i)), [1, x.shape[1]!, 4]))],
    ["with a table of distances", (x) => tf.add(x, tf.slice(tf.tensor(Float32Array.from({ length: 2 * x.shape[1]! - 1 }, (_, i) => Math.cos(i - x.shape[1]! + 1)), [1, 2 * x.shape[1]! - 1, 1]), [0, 1, 0], [1, x.shape[1]!, 1]))],
    ["summed up along", (x) => tf.cumsum(x, 1)],
  ]; // prettier-ignore

  it.each(cases)("%s", async (_, forward) => {
    const dynamicAxes = { input: { 0: "batch", 1: "length" } };
    await exportOnnx(new FunctionModule(forward), folder.file, { inputs: normals(2, 31, 4), dynamicAxes });
    const runs = [[1, 9], [3, 2], [2, 31]].map(([batch, length]) => ({ input: normals(batch!, length!, 4) })); // prettier-ignore
    expectSameResults(folder.file, runs, ({ input }) => ({ output: forward(input!) }));
  });

  it("of a signal goes through strided convolutions", async () => {
    const module = new Sequential(
      new Conv1d(1, 4, 5, { stride: 3 }),
      new Gelu(),
      new Conv1d(4, 6, 3, { stride: 2, padding: 1 }),
    );
    const dynamicAxes = { input: { 0: "batch", 1: "samples" } };
    await exportOnnx(module as Module, folder.file, { inputs: normals(2, 100, 1), dynamicAxes });
    module.eval();
    const runs = [40, 61, 200].map((samples) => ({ input: normals(3, samples, 1) }));
    expectSameResults(folder.file, runs, ({ input }) => ({ output: module.forward(input!) }));
  });

  it("of pictures goes through a network that averages over it", async () => {
    const network = new Sequential(
      new Conv2d(3, 8, 3, { stride: 2, padding: 1 }),
      new BatchNorm2d(8),
      new Relu(),
      new MaxPool2d(2),
    );
    const module = new FunctionModule((x: tf.Tensor) => tf.mean(network.eval().forward(x), [1, 2]));
    const dynamicAxes = { input: { 0: "batch", 1: "height", 2: "width" } };
    await exportOnnx(module, folder.file, { inputs: normals(2, 16, 24, 3), dynamicAxes });
    const runs = [[8, 8], [33, 20]].map(([height, width]) => ({ input: normals(2, height!, width!, 3) })); // prettier-ignore
    expectSameResults(folder.file, runs, ({ input }) => ({ output: module.forward(input!) as tf.Tensor }));
  });

  it("of texts goes through BERT up to the longest, with integers as int64", async () => {
    const bert = new Bert({
      vocabSize: 50,
      hiddenSize: 32,
      numHiddenLayers: 2,
      numAttentionHeads: 2,
      intermediateSize: 48,
      maxPositionEmbeddings: 12,
    });
    const axes = { 0: "batch", 1: "sequence" };
    const mask = (batch: number, length: number) =>
      new HostTensor(
        Int32Array.from({ length: batch * length }, (_, i) => (i % length < 5 ? 1 : 0)),
        [batch, length],
      );
    const { opset } = await exportOnnx(bert, folder.file, {
      inputs: { inputIds: integers(50, 2, 12), attentionMask: mask(2, 12) },
      dynamicAxes: { inputIds: axes, attentionMask: axes },
      int64Inputs: ["inputIds", "attentionMask"],
    });
    expect(opset).toBe(17);
    bert.eval();
    const runs = [[1, 12], [3, 5], [2, 8]].map(([batch, length]) => ({
      inputIds: { ...integers(50, batch!, length!), dtype: "int64" as const },
      attentionMask: { ...mask(batch!, length!), dtype: "int64" as const },
    })); // prettier-ignore
    expectSameResults(
      folder.file,
      runs,
      (inputs) => bert.forward(inputs as unknown as BertInput) as unknown as Record<string, tf.Tensor>,
    );
  });
});

describe("several inputs and outputs", () => {
  it("share axes by name, and control flow is that of the lengths and options at export", async () => {
    const module = new FunctionModule(
      ({ a, b, scales }: { a: tf.Tensor; b: tf.Tensor; scales: tf.Tensor[] }) => {
        let sum = tf.add(a, tf.mean(b, 1));
        for (const scale of scales) if (scale.rank === 1) sum = tf.mul(sum, scale);
        return { sum, parts: [a, tf.neg(b)] };
      },
    );
    const inputs = { a: normals(2, 3), b: normals(2, 5, 3), scales: [normals(3), normals()] };
    await exportOnnx(module, folder.file, {
      inputs,
      dynamicAxes: { a: { 0: "batch" }, b: { 0: "batch", 1: "length" } },
    });
    const runs = [[1, 7], [4, 2]].map(([batch, length]) => ({
      a: normals(batch!, 3),
      b: normals(batch!, length!, 3),
      "scales.0": normals(3),
      "scales.1": normals(),
    })); // prettier-ignore
    expectSameResults(folder.file, runs, (given) => {
      const { a, b } = given as { a: tf.Tensor; b: tf.Tensor };
      const sum = tf.mul(tf.add(a, tf.mean(b, 1)), given["scales.0"]!);
      return { sum, "parts.0": a, "parts.1": tf.neg(b) };
    });
  });
});

describe("what cannot be exported", () => {
  const lengths = { dynamicAxes: { input: { 0: "batch", 1: "length" } } };
  const cases: [string, Function, object, string, string][] = [
    [
      "an operator for each length",
      (x) => tf.concat(Array.from({ length: x.shape[1]! }, (_, i) => tf.slice(x, [0, i, 0], [-1, 1, -1])), 1),
      lengths,
      "ERR_EXPORT_DYNAMIC",
      "other operators are recorded",
    ],
    [
      "an attribute that a length changes",
      (x) => tf.avgPool(tf.expandDims<tf.Tensor4D>(x, -1), [x.shape[1]!, 1], 1, "valid"),
      lengths,
      "ERR_EXPORT_DYNAMIC",
      "AvgPool",
    ],
    [
      "a table whose numbers are others at each length",
      (x) => tf.add(x, tf.tensor(Float32Array.from({ length: x.shape[1]! * 4 }, (_, i) => Math.sin(i / x.shape[1]!)), [1, x.shape[1]!, 4])),
      lengths,
      "ERR_EXPORT_DYNAMIC",
      "keep one for the largest length as a buffer",
    ],
    [
      "random numbers",
      (x) => tf.add(x, tf.randomUniform([4], 0, 1)),
      {},
      "ERR_EXPORT_DYNAMIC",
      "or they are random",
    ],
    ["a value that is read", (x) => tf.mul(x, tf.max(x).dataSync()[0]!), {}, "ERR_ONNX_EXPORT", "reads a value"],
    ["an axis that is not there", (x) => x, { dynamicAxes: { input: { 5: "length" } } }, "ERR_EXPORT_AXES", "has no axis 5"],
    ["axes of an unknown input", (x) => x, { dynamicAxes: { inputs: {} } }, "ERR_EXPORT_AXES", 'Did you mean "input"?'],
    ["weights of an unknown type", (x) => x, { weights: "float8" }, "ERR_EXPORT_OPTION", '"float16"'],
  ]; // prettier-ignore

  it.each(cases)("%s", async (_, forward, options, code, message) => {
    const module = new FunctionModule(forward);
    await expect(
      exportOnnx(module, folder.file, { inputs: normals(2, 6, 4), ...options }),
    ).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
    expect(readdirSync(folder.path)).toEqual([]);
    expect(tf.add<tf.Scalar>(1, 2).dataSync()[0]).toBe(3);
  });

  it("two lengths of one name", async () => {
    const module = new FunctionModule(([a, b]: tf.Tensor[]) => tf.add(tf.sum(a!), tf.sum(b!)));
    await expect(
      exportOnnx(module, folder.file, { inputs: [normals(2, 3), normals(4, 3)] }),
    ).rejects.toMatchObject({
      code: "ERR_EXPORT_AXES",
      message: expect.stringContaining("Give axes that differ") as string,
    });
  });

  it("with all lengths fixed there is one recording, and lengths may do anything", async () => {
    const forward: Function = (x) =>
      tf.add(
        x,
        tf.tensor(
          Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
          [1, 6, 4],
        ),
      );
    await exportOnnx(new FunctionModule(forward), folder.file, { inputs: normals(2, 6, 4), dynamicAxes: {} });
    expectSameResults(folder.file, [{ input: normals(2, 6, 4) }], ({ input }) => ({
      output: forward(input!),
    }));
  });

  it("what a function does by chance is found before anything is written", async () => {
    let calls = 0;
    const changing = new FunctionModule((x: tf.Tensor) => (calls++ === 0 ? tf.sin(x) : tf.cos(x)));
    await expect(
      exportOnnx(changing, join(folder.path, "other.onnx"), { inputs: normals(2, 6), dynamicAxes: {} }),
    ).rejects.toMatchObject({
      code: "ERR_EXPORT_CHECK",
      message: expect.stringContaining('output "output" differs') as string,
    });
    expect(existsSync(join(folder.path, "other.onnx"))).toBe(false);
  });
});

describe("the file", () => {
  it("replaces an old one, in folders that are made", async () => {
    const path = join(folder.path, "new", "folder", "model.onnx");
    await exportOnnx(new Linear(2, 3), path, { inputs: normals(1, 2) });
    const { bytes } = await exportOnnx(new Linear(2, 30), path, { inputs: normals(1, 2) });
    const { graph } = await readOnnx(path);
    expect(graph.initializers.get("weight")!.shape).toEqual([30, 2]);
    expect(bytes).toBeGreaterThan(30 * 3 * 4);
    expect(readdirSync(join(folder.path, "new", "folder"))).toEqual(["model.onnx"]);
  });

  it("that cannot be written is an error, and nothing is left", async () => {
    writeFileSync(join(folder.path, "file"), "");
    await expect(
      exportOnnx(new Linear(2, 3), join(folder.path, "file", "model.onnx"), { inputs: normals(1, 2) }),
    ).rejects.toMatchObject({ code: "ERR_FILE_WRITE" });
    expect(readdirSync(folder.path)).toEqual(["file"]);
  });
});
