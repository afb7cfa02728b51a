/** Importing models as modules, beside plain ONNX Runtime where something is computed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { HostTensor } from "../../src/host_tensor.js";
import { Generator } from "../../src/random.js";
import { BaseFinetuning } from "../../src/core/index.js";
import { computeGradients, hasRunningStatistics } from "../../src/nn/index.js";
import { loadOnnx, OnnxModule, readOnnx, type OnnxInput, type OnnxModel } from "../../src/onnx/index.js";
import { runPlainOnnxRuntime } from "../support/plain_onnx_runtime.js";
import { float, floats, graph, info, ints, model, node, tensor } from "./support/build.js";

const golden = (name: string) => join(import.meta.dirname, "../golden/onnx", `${name}.onnx`);

const facts = JSON.parse(readFileSync(join(import.meta.dirname, "../golden/onnx/onnx.json"), "utf8")) as {
  quantized: { x: number[]; y: number[] };
};

function normal(shape: number[], seed = 1): HostTensor {
  const generator = new Generator(seed);
  return new HostTensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => generator.normal()),
    shape,
  );
}

const toTensor = ({ data, shape }: HostTensor) => tf.tensor(data, [...shape]);

function expectClose(actual: tf.Tensor, { data, shape }: HostTensor): void {
  expect(actual.shape).toEqual(shape);
  const values = actual.dataSync();
  data.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 4));
}

describe("what it computes", () => {
  it.each([
    ["network", [2, 3, 8, 8]],
    ["network", [1, 3, 12, 8]],
    ["control", [2, 3]],
    ["control", [4, 3]],
  ] as const)("%s, for an input %j, is what ONNX Runtime computes", async (name, shape) => {
    const module = (await loadOnnx(golden(name))).eval();
    const x = normal([...shape]);
    const outputs = module.forward(toTensor(x));
    const expected = runPlainOnnxRuntime(golden(name), { x });
    expect(Object.keys(outputs)).toEqual(Object.keys(expected));
    for (const output in expected) expectClose(outputs[output]!, expected[output]!);
  });

  it("quantized weights are those that the file stands for", async () => {
    const { x, y } = facts.quantized;
    const module = await loadOnnx(golden("quantized"), { features: "y" });
    const output = module.forward(tf.tensor(x, [2, 3, 8, 8]));
    expectClose(output, new HostTensor(Float32Array.from(y), [2, 5]));
  });

  it("numbers as inputs can decide what is computed", () => {
    const half = (operator: string) =>
      graph({ outputs: ["inner"], nodes: [node(`${operator} x, x -> inner`)] });
    const module = new OnnxModule(
      model({
        inputs: ["x", info("rate", [], "int64")],
        outputs: ["y"],
        nodes: [
          node("Equal rate, wide -> is_wide"),
          node("If is_wide -> y", { then_branch: half("Add"), else_branch: half("Mul") }),
        ],
        initializers: { wide: ints([16000], []) },
      }),
    );
    const x = tf.tensor([3, 5]);
    expect([...module.forward({ x, rate: 16000 }).y!.dataSync()]).toEqual([6, 10]);
    expect([...module.forward({ x, rate: 8000 }).y!.dataSync()]).toEqual([9, 25]);
    expect(() => module.forward({ x, rate: tf.scalar(8000, "int32") })).toThrow(
      expect.objectContaining({ code: "ERR_ONNX_DYNAMIC" }),
    );
  });
});

describe("what is a weight", () => {
  it("convolutions, batch norms, products and biases have the names of the file; the rest is constant", async () => {
    const module = await loadOnnx(golden("network"));
    expect(Array.from(module.namedParameters(), ([name]) => name)).toEqual([
      "mean", // subtracted from data, as a bias is
      "features.0.weight",
      "features.1.weight",
      "features.1.bias",
      "features.3.weight",
      "features.3.bias",
      "classifier.weight",
      "classifier.bias",
    ]);
    expect(Array.from(module.namedBuffers(), ([name]) => name)).toEqual([
      "features.1.running_mean",
      "features.1.running_var",
    ]);
  });

  it("quantized weights become floats under the names they had", async () => {
    const module = await loadOnnx(golden("quantized"));
    expect(Array.from(module.namedParameters(), ([name, { shape }]) => [name, shape])).toEqual([
      ["conv.weight", [4, 3, 3, 3]],
      ["conv.bias", [4]],
      ["fc.transposed", [4, 5]],
    ]);
  });

  it("a branch that is never taken leaves its weights behind", async () => {
    const module = await loadOnnx(golden("control"));
    expect(Array.from(module.namedParameters(), ([, { shape }]) => shape)).toEqual([[3], [3], [3]]);
  });

  it("masks, scalars and literals that are added or multiplied stay constant", () => {
    const module = new OnnxModule(
      model({
        inputs: ["x"],
        outputs: ["y"],
        nodes: [
          node("Add x, mask -> a"),
          node("Mul a, scalar -> b"),
          node("Constant -> literal", { value: floats([2], [1, 2]) }),
          node("Add b, literal -> c"),
          node("Constant -> matrix", { value: floats([2, 2], [1, 2, 3, 4]) }),
          node("MatMul c, matrix -> d"),
          node("Pow matrix_2, two -> squares"),
          node("MatMul d, squares -> y"),
        ],
        initializers: {
          mask: floats([2], [0, -1e9]),
          scalar: floats([], [0.5]),
          two: floats([], [2]),
          matrix_2: floats([2, 2], [1, 0, 0, 1]),
        },
      }),
    );
    expect(Object.keys(module.stateDict())).toEqual(["matrix", "matrix_2"]);
  });

  it("an initializer that is used twice is one parameter, whose gradient is the sum", () => {
    const module = new OnnxModule<tf.Tensor>(
      model({
        inputs: ["x"],
        outputs: ["y"],
        nodes: [
          node("MatMul x, w -> a"),
          node("Transpose w -> t", { perm: [1, 0] }),
          node("MatMul a, t -> y"),
        ],
        initializers: { w: floats([1, 2], [3, 4]) },
      }),
      { features: "y" },
    );
    computeGradients(() => tf.sum(module.forward(tf.ones([1, 1]))), module.parameters());
    const [w] = module.parameters();
    expect([...w!.grad!.dataSync()]).toEqual([6, 8]); // of x w wᵀ
  });
});

describe("cutting", () => {
  it("any inner tensor can be the features; what comes after it is left out with its weights", async () => {
    const module = (await loadOnnx(golden("network"), { features: "pooled" })).eval();
    const pooled = module.forward(toTensor(normal([2, 3, 8, 8])));
    expect(pooled.shape).toEqual([2, 4]);
    expect(Object.keys(module.stateDict())).not.toContain("classifier.weight");
  });

  it("a model may begin at an inner tensor", async () => {
    const module = (await loadOnnx(golden("network"), { inputs: ["pooled"], features: "logits" })).eval();
    expect(module.inputs.map(({ name }) => name)).toEqual(["pooled"]);
    expect(Object.keys(module.stateDict())).toEqual(["classifier.weight", "classifier.bias"]);
    expect(module.forward(tf.zeros([1, 4])).shape).toEqual([1, 5]);
  });

  it("inputs that the outputs do not need are not asked for", () => {
    const module = new OnnxModule(
      model({
        inputs: ["x", "z"],
        outputs: ["y", "other"],
        nodes: [node("Relu x -> y"), node("Relu z -> other")],
      }),
      { outputs: ["y"] },
    );
    expect(module.inputs.map(({ name }) => name)).toEqual(["x"]);
  });

  it("names that no tensor has are answered with those that look alike", async () => {
    await expect(loadOnnx(golden("network"), { features: "pool" })).rejects.toThrow(
      expect.objectContaining({
        code: "ERR_ONNX_TENSOR",
        message: expect.stringContaining("pooled") as string,
      }),
    );
    await expect(loadOnnx(golden("network"), { inputs: ["pooled"], outputs: ["r"] })).rejects.toThrow(
      expect.objectContaining({ code: "ERR_ONNX_TENSOR" }),
    );
  });
});

describe("training", () => {
  let network: OnnxModel;
  beforeAll(async () => {
    network = await readOnnx(golden("network"));
  });

  it("batch norms move their statistics, or stay as they are", () => {
    const x = toTensor(normal([4, 3, 8, 8]));
    const moved = (options: { batchNorm?: "train" | "frozen" }, training = true) => {
      const module = new OnnxModule(network, options).train(training);
      const before = [...module.stateDict()["features.1.running_mean"]!.dataSync()];
      module.forward(x);
      return before.some(
        (value, i) => value !== module.stateDict()["features.1.running_mean"]!.dataSync()[i],
      );
    };
    expect(moved({})).toBe(true);
    expect(moved({}, false)).toBe(false);
    expect(moved({ batchNorm: "frozen" })).toBe(false);
    const norms = Array.from(new OnnxModule(network).namedModules(), ([, part]) => part).filter(
      hasRunningStatistics,
    );
    expect(norms).toHaveLength(1);
    expect(norms[0]!.momentum).toBeCloseTo(0.1);
  });

  it("dropout drops in training only, with the file's probability or another", () => {
    const x = toTensor(normal([4, 3, 8, 8]));
    const zeros = (options: { dropout?: number }, training = true) => {
      const module = new OnnxModule<tf.Tensor>(network, {
        ...options,
        features: "dropped",
        batchNorm: "frozen",
      });
      const values = module.train(training).forward(x).dataSync();
      return values.filter((value) => value === 0).length / values.length;
    };
    const none = zeros({}, false);
    expect(zeros({})).toBeGreaterThan(none + 0.2);
    expect(zeros({ dropout: 0 })).toBe(none);
    expect(zeros({ dropout: 1 })).toBe(1);
  });

  it("dropout is put behind attention's softmax, at the end of branches and before the classifier", () => {
    const module = new OnnxModule(attention(), { dropout: 0.5 });
    expect(
      Array.from(module.namedChildren(), ([name]) => name).filter((name) => name.includes("dropout")),
    ).toEqual(["weights/dropout", "projected/dropout", "normal/dropout"]);
    const x = toTensor(normal([2, 4]));
    const twice = () => [...module.forward(x).y!.dataSync()];
    expect(twice()).not.toEqual(twice());
    module.eval();
    expect(twice()).toEqual([...new OnnxModule(attention()).forward(x).y!.dataSync()]);
  });

  it("layers are modules in the order in which they run, so that they freeze and train one by one", () => {
    const module = new OnnxModule(network);
    expect(Array.from(module.namedChildren(), ([name]) => name)).toEqual([
      "Sub_0",
      "features/0",
      "features/1",
      "features/3",
      "dropout",
      "classifier/MatMul", // with its bias
    ]);
    BaseFinetuning.freeze(module, { trainBatchNorm: true });
    const trains = Array.from(module.namedParameters()).filter(([, { requiresGrad }]) => requiresGrad);
    expect(trains.map(([name]) => name)).toEqual(["features.1.weight", "features.1.bias"]);
  });

  it("a state goes from one import to another by the names of the file", () => {
    const [one, other] = [new OnnxModule(network), new OnnxModule(network)];
    const classifier = one.stateDict()["classifier.bias"]!;
    classifier.assign(tf.ones([5]));
    other.loadStateDict(one.stateDict());
    expect([...other.stateDict()["classifier.bias"]!.dataSync()]).toEqual([1, 1, 1, 1, 1]);
  });

  it("a training step of unchanged shapes compiles one graph, and none runs on the slow kernels", async () => {
    const { engine } = await import("../../src/engine/index.js");
    const module = new OnnxModule<tf.Tensor>(network, { features: "logits" });
    const step = () =>
      tf.tidy(() => {
        computeGradients(
          () => tf.mean(tf.square(module.forward(toTensor(normal([2, 3, 8, 8]))))),
          module.parameters(),
        );
        const [first] = module.parameters();
        first!.grad!.dataSync();
        for (const parameter of module.parameters()) parameter.zeroGrad();
      });
    step();
    engine.resetStats();
    for (let i = 0; i < 3; i++) step();
    expect(engine.stats()).toMatchObject({ compiles: 0, fallbackKernels: {} });
  });
});

describe("what cannot be imported or run", () => {
  it("operators that are unknown are named with their nodes, and with those that are known", () => {
    const unknown = model({
      inputs: ["x"],
      outputs: ["y"],
      nodes: [node("Frobnicate x -> t"), node("test:Relu t -> y")],
    });
    expect(() => new OnnxModule(unknown)).toThrow(
      expect.objectContaining({
        code: "ERR_ONNX_OPERATOR",
        message: expect.stringMatching(/Frobnicate_of_t.*test:Relu.*Supported are .*Conv/s) as string,
      }),
    );
    // What is cut off does not matter.
    expect(new OnnxModule<tf.Tensor>(unknown, { features: "x" }).forward(tf.ones([1])).shape).toEqual([1]);
  });

  it("inputs that are missing, unknown, of another type or rank", async () => {
    const module = await loadOnnx(golden("network"));
    const x = tf.zeros([1, 3, 8, 8]);
    const wrong: OnnxInput[] = [
      {},
      { x, y: x },
      tf.zeros([3, 8, 8]),
      tf.zeros([1, 3, 8, 8], "int32"),
      { x: 3 },
    ];
    for (const input of wrong) {
      expect(() => module.forward(input)).toThrow(expect.objectContaining({ code: "ERR_ONNX_INPUT" }));
    }
  });

  it("shapes that do not fit are an error of the node", async () => {
    const module = await loadOnnx(golden("network"));
    expect(() => module.forward(tf.zeros([1, 4, 8, 8]))).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_/) as string }),
    );
  });

  it("versions of the operators that are not known", () => {
    const relu = { inputs: ["x"], outputs: ["y"], nodes: [node("Relu x -> y")] };
    expect(() => new OnnxModule(model(relu, 24))).toThrow(
      expect.objectContaining({ code: "ERR_ONNX_VERSION" }),
    );
    for (const opset of [7, 22]) expect(() => new OnnxModule(model(relu, opset))).not.toThrow();
  });

  it("options without such a value", () => {
    const relu = model({ inputs: ["x"], outputs: ["y"], nodes: [node("Relu x -> y")] });
    const wrong = [{ batchNorm: "freeze" as "frozen" }, { features: "y", outputs: ["y"] }, { dropout: 2 }];
    for (const options of wrong) {
      expect(() => new OnnxModule(relu, options)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_(ONNX_OPTION|DROPOUT)$/) as string }),
      );
    }
  });
});

/** Attention over the rows of x with one head, a residual connection, layer norm and a classifier. */
function attention(): OnnxModel {
  const square = floats(
    [4, 4],
    Array.from({ length: 16 }, (_, i) => Math.sin(i)),
  );
  const vector = floats([4], [1, 1, 1, 1]);
  return model({
    inputs: ["x"],
    outputs: ["y"],
    nodes: [
      node("Transpose x -> keys", { perm: [1, 0] }),
      node("MatMul x, keys -> scores"),
      node("Softmax scores -> weights", { axis: -1 }),
      node("MatMul weights, x -> mixed"),
      node("MatMul mixed, out -> product"),
      node("Add product, bias -> projected"),
      node("Add x, projected -> sum"),
      node("LayerNormalization sum, scale, bias2 -> normal", { epsilon: float(1e-5) }),
      node("Gemm normal, head, head_bias -> y"),
    ],
    initializers: {
      out: square,
      bias: vector,
      scale: vector,
      bias2: tensor("float32", [4], new Float32Array(4)),
      head: square,
      head_bias: vector,
    },
  });
}
