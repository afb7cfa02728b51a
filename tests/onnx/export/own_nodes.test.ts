/** Imported models written back: their own nodes and names, the weights of now, and a head beside them. */
import * as tf from "@tensorflow/tfjs-core";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import "../../support/backend.js";
import { OrtArray, Session } from "../../../src/engine/runtime/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { Linear, Module } from "../../../src/nn/index.js";
import { makeNode, type ShortAttribute } from "../../../src/onnx/export/export_graph.js";
import { encodeOnnx } from "../../../src/onnx/format/encode.js";
import type { OnnxNode, OnnxTensor } from "../../../src/onnx/format/model.js";
import { exportOnnx, loadOnnx, readOnnx, type OnnxModule } from "../../../src/onnx/index.js";
import { runPlainOnnxRuntime, runPlainOnnxRuntimeOn } from "../../support/plain_onnx_runtime.js";
import { describeShared } from "../../support/shared.js";
import { expectSameResults, normals, useFolder } from "./support.js";

const folder = useFolder();
let original: string;
beforeEach(() => (original = join(folder.path, "original.onnx")));

const floats = (name: string, shape: number[], data: number[]): OnnxTensor => ({
  name,
  type: "float32",
  shape,
  data: Float32Array.from(data),
  docString: "",
});

const info = (name: string, shape: (number | string)[] | undefined) => ({
  name,
  type: { kind: "tensor" as const, type: "float32" as const, shape },
  docString: "",
});

/** Writes a model from x [batch, ...shape] to y, in an old version of the operators. */
function writeModel(
  opset: number,
  shape: number[],
  nodes: OnnxNode[],
  initializers: OnnxTensor[] = [],
  outputs = ["y"],
): void {
  const bytes = encodeOnnx({
    irVersion: 7,
    opsetImports: new Map([["", opset]]),
    producerName: "a test",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    docString: "",
    metadata: {},
    functions: [],
    graph: {
      name: "graph",
      docString: "",
      nodes,
      inputs: [info("x", ["N", ...shape])],
      outputs: outputs.map((name) => info(name, undefined)),
      valueInfo: [],
      initializers: new Map(initializers.map((tensor) => [tensor.name, tensor])),
      sparseInitializers: new Map(),
      metadata: {},
    },
  });
  writeFileSync(original, bytes);
}

/** What ONNX Runtime makes of a file with one input. */
function runSession(path: string, { data, shape }: HostTensor) {
  const session = new Session(path);
  const input = OrtArray.wrap("float32", data as Float32Array, shape);
  const results = session.run(
    [input],
    session.outputNames.map(() => undefined),
  );
  session.dispose();
  return results.map((result) => ({ shape: result.shape, data: result.data }));
}

describe("an operator of an old version", () => {
  type Attributes = Record<string, ShortAttribute>;
  const float = (value: number): ShortAttribute => ({ kind: "float", value });
  const scales: ShortAttribute = { kind: "floats", value: [1, 1, 2, 3] };
  const constant = floats("scales", [4], [1, 1, 2, 3]);
  const cases: [operator: string, opset: number, shape: number[], attributes: Attributes, more?: OnnxTensor][] = [
    ["Clip", 9, [4], { min: float(-0.5), max: float(0.25) }],
    ["Clip", 7, [4], { max: float(0.25) }],
    ["Pad", 9, [4], { pads: [0, 1, 0, 2], value: float(7) }],
    ["Slice", 9, [6], { starts: [1], ends: [4], axes: [1] }],
    ["Upsample", 7, [2, 3, 4], { scales, mode: "nearest" }],
    ["Upsample", 9, [2, 3, 4], { mode: "linear" }, constant],
    ["Resize", 10, [2, 3, 4], { mode: "nearest" }, constant],
    ["Softmax", 11, [3, 4], {}],
    ["Softmax", 11, [3, 4], { axis: 2 }],
    ["LogSoftmax", 9, [4], { axis: -1 }],
    ["ReduceSum", 11, [3, 4], { axes: [1], keepdims: 0 }],
    ["ReduceMean", 12, [3, 4], { axes: [-1] }],
    ["Unsqueeze", 11, [4], { axes: [1, 3] }],
    ["Squeeze", 11, [1, 4], { axes: [1] }],
    ["Dropout", 9, [4], { ratio: float(0.5) }],
    ["Dropout", 12, [4], {}],
  ]; // prettier-ignore

  it.each(cases)("%s of %i", async (operator, opset, shape, attributes, more) => {
    const inputs = ["x", ...(more === undefined ? [] : [more.name])];
    writeModel(
      opset,
      shape,
      [makeNode(operator, inputs, ["y"], attributes)],
      more === undefined ? [] : [more],
    );
    await exportOnnx(await loadOnnx(original), folder.file, { inputs: { x: normals(2, ...shape) } });
    const { opsetImports } = await readOnnx(folder.file);
    expect([...opsetImports]).toEqual([["", 17]]);
    expect(runSession(folder.file, normals(3, ...shape))).toEqual(runSession(original, normals(3, ...shape)));
  });

  it("Split of 11, into two outputs", async () => {
    writeModel(11, [6], [makeNode("Split", ["x"], ["a", "b"], { axis: 1, split: [2, 4] })], [], ["a", "b"]);
    await exportOnnx(await loadOnnx(original), folder.file, { inputs: { x: normals(2, 6) } });
    expect(runSession(folder.file, normals(3, 6))).toEqual(runSession(original, normals(3, 6)));
  });

  it("beside one that came later is written in the later version", async () => {
    writeModel(17, [4], [makeNode("ReduceMax", ["x"], ["y"], { axes: [1] })]);
    class Bits extends Module<tf.Tensor, unknown> {
      readonly model: OnnxModule<tf.Tensor>;

      constructor(model: OnnxModule<tf.Tensor>) {
        super();
        this.model = model;
      }

      override forward(x: tf.Tensor) {
        const largest = this.model.forward(x);
        const bits = tf.engine().runKernel<tf.Tensor>("BitwiseAnd", {
          a: tf.cast(tf.mul(largest, 100), "int32"),
          b: tf.scalar(7, "int32"),
        });
        return { largest, bits };
      }
    }
    const module = new Bits(await loadOnnx(original, { features: "y" }));
    const { opset } = await exportOnnx(module, folder.file, {
      inputs: { x: normals(2, 4) },
      forward: ({ x }: { x: tf.Tensor }) => module.forward(x),
    });
    expect(opset).toBe(18);
    expectSameResults(folder.file, [{ x: normals(3, 4) }], ({ x }) => module.forward(x!));
  });
});

/** Features of an imported model, and a new layer on them. */
class Headed extends Module<tf.Tensor, { logits: tf.Tensor }> {
  readonly backbone: OnnxModule<tf.Tensor>;
  readonly head: Linear;

  constructor(backbone: OnnxModule<tf.Tensor>, numFeatures: number) {
    super();
    this.backbone = backbone;
    this.head = new Linear(numFeatures, 5);
  }

  override forward(x: tf.Tensor) {
    return { logits: this.head.forward(this.backbone.forward(x)) };
  }
}

describe("a small network", () => {
  const weights = [
    floats(
      "fc.weight",
      [3, 4],
      Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    ),
    floats("fc.bias", [3], [0.1, 0.2, 0.3]),
    floats("scale", [3], [1, 2, 3]),
  ];
  const nodes = () => [
    makeNode("Gemm", ["x", "fc.weight", "fc.bias"], ["fc"], { transB: 1 }, "dense"),
    makeNode("Relu", ["fc"], ["features"], {}, "activation"),
    makeNode("Mul", ["features", "scale"], ["y"], {}, "scaling"),
  ];

  it("has its nodes and names again, with the weights of now", async () => {
    writeModel(13, [4], nodes(), weights);
    const module = await loadOnnx(original);
    const weight = module.parameters().find(({ shape }) => shape.length === 2)!;
    tf.tidy(() => weight.assign(tf.mul(weight, -2)));
    await exportOnnx(module, folder.file, { inputs: { x: normals(2, 4) } });
    const { graph } = await readOnnx(folder.file);
    expect(
      graph.nodes.map(({ name, operator, inputs, outputs }) => [name, operator, inputs, outputs]),
    ).toEqual(nodes().map(({ name, operator, inputs, outputs }) => [name, operator, inputs, outputs]));
    expect([...graph.initializers.keys()].sort()).toEqual(["fc.bias", "fc.weight", "scale"]);
    expect([...(graph.initializers.get("fc.weight")!.data as Float32Array)]).toEqual(
      [...(weights[0]!.data as Float32Array)].map((item) => -2 * item),
    );
    expect(graph.inputs[0]!.type).toMatchObject({ shape: ["batch", 4] });
  });

  it("stands beside a head, and what the head does not need is left out", async () => {
    writeModel(13, [4], nodes(), weights);
    const module = new Headed(await loadOnnx(original, { features: "features" }), 3);
    await exportOnnx(module, folder.file, { inputs: normals(2, 4) });
    const { graph } = await readOnnx(folder.file);
    expect(graph.nodes.map(({ name }) => name).slice(0, 2)).toEqual(["dense", "activation"]);
    expect([...graph.initializers.keys()].sort()).toEqual([
      "fc.bias",
      "fc.weight",
      "head.bias",
      "head.weight",
    ]);
    const runs = [1, 6].map((batch) => ({ input: normals(batch, 4) }));
    expectSameResults(folder.file, runs, ({ input }) => module.forward(input!));
  });

  it("may be called twice, with one copy of its weights", async () => {
    writeModel(13, [4], nodes(), weights);
    class Twins extends Module<{ a: tf.Tensor; b: tf.Tensor }> {
      readonly tower: OnnxModule<tf.Tensor>;

      constructor(tower: OnnxModule<tf.Tensor>) {
        super();
        this.tower = tower;
      }

      override forward({ a, b }: { a: tf.Tensor; b: tf.Tensor }) {
        return tf.sum(tf.mul(this.tower.forward(a), this.tower.forward(b)), -1);
      }
    }
    const module = new Twins(await loadOnnx(original, { features: "y" }));
    await exportOnnx(module, folder.file, { inputs: { a: normals(2, 4), b: normals(2, 4) } });
    const { graph } = await readOnnx(folder.file);
    expect(graph.initializers.has("fc.weight")).toBe(true);
    expect(graph.initializers.has("fc.weight_1")).toBe(false);
    const run = {
      a: normals(3, 4),
      b: new HostTensor(
        normals(3, 4).data.map((item) => item + 1),
        [3, 4],
      ),
    };
    expectSameResults(folder.file, [run], (given) => ({
      output: module.forward(given as { a: tf.Tensor; b: tf.Tensor }),
    }));
  });
});

describeShared("models", (models) => {
  const real: [string, string, number[]][] = [
    ["MobileNetV2", "mobilenet_v2/onnx/model.onnx", [3, 64, 64]],
    ["SqueezeNet", "squeezenet_1.1/onnx/model.onnx", [3, 64, 64]],
    ["a speech embedding", "openwakeword/embedding_model.onnx", [76, 32, 1]],
  ];

  it.each(real)("%s is the same file again, in numbers and names", async (_, file, shape) => {
    const path = join(models, file);
    const before = await readOnnx(path);
    const name = before.graph.inputs
      .map((input) => input.name)
      .find((input) => !before.graph.initializers.has(input))!;
    await exportOnnx(await loadOnnx(path), folder.file, {
      inputs: { [name]: normals(1, ...shape) },
    });
    const after = await readOnnx(folder.file);
    expect([...after.graph.initializers.keys()]).toEqual(
      expect.arrayContaining([...before.graph.initializers.keys()]),
    );
    const run = { [name]: normals(1, ...shape) };
    expect(runPlainOnnxRuntime(folder.file, run)).toEqual(runPlainOnnxRuntime(path, run));
  });

  it("MobileNetV2 under a head runs at any size and batch in plain ONNX Runtime", async () => {
    const path = join(models, "mobilenet_v2/onnx/model.onnx");
    const module = new Headed(await loadOnnx(path, { features: "pooler_output" }), 1280);
    await exportOnnx(module, folder.file, {
      inputs: normals(2, 3, 64, 64),
      dynamicAxes: { input: { 0: "batch", 2: "height", 3: "width" } },
    });
    const [features] = runPlainOnnxRuntimeOn(path, [{ pixel_values: normals(3, 3, 96, 64) }]);
    expectSameResults(
      folder.file,
      [{ input: normals(3, 3, 96, 64) }],
      () => ({ logits: module.head.forward(tf.tensor(features!.pooler_output!.data, [3, 1280])) }),
      1e-4,
    );
  });
});
