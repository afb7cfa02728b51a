/** The layers of transformers, ViT and BERT against PyTorch: outputs and every gradient, on the engine and elsewhere. */
import "@tensorflow/tfjs-backend-cpu";
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it } from "vitest";
import { Bert, VisionTransformer } from "../../src/backbones/index.js";
import { engine } from "../../src/engine/index.js";
import * as nn from "../../src/nn/index.js";
import { expectClose, tensorOf, type GoldenTensor } from "./golden.js";

interface ModuleCase {
  name: string;
  training: boolean;
  state: Record<string, GoldenTensor>;
  inputs: Record<string, GoldenTensor>;
  output: GoldenTensor;
  cotangent: GoldenTensor;
  inputGrads: Record<string, GoldenTensor>;
  grads: Record<string, GoldenTensor>;
}

interface AttentionCase {
  name: string;
  scale?: number;
  isCausal?: boolean;
  boolMask?: GoldenTensor;
  floatMask?: GoldenTensor;
  inputs: GoldenTensor[];
  output: GoldenTensor;
  cotangent: GoldenTensor;
  grads: GoldenTensor[];
}

const goldens = JSON.parse(readFileSync(new URL("../golden/transformers.json", import.meta.url), "utf8")) as {
  layers: ModuleCase[];
  attention: AttentionCase[];
  models: ModuleCase[];
};

type Inputs = Record<string, tf.Tensor>;
type Maker = () => { module: nn.AnyModule; call: (inputs: Inputs) => tf.Tensor };

const plain = (module: nn.Module): ReturnType<Maker> => ({ module, call: ({ x }) => module.forward(x!) });

const asBool = (mask: tf.Tensor | undefined) => (mask === undefined ? null : tf.cast(mask, "bool"));

const attention = (module: nn.MultiheadAttention): ReturnType<Maker> => ({
  module,
  call: ({ query, key, value, keyPaddingMask, attnMask }) =>
    module.forward(query!, key, value, {
      keyPaddingMask: asBool(keyPaddingMask),
      attnMask: asBool(attnMask),
    }),
});

const encoderLayer = (options: nn.TransformerEncoderLayerOptions = {}): nn.TransformerEncoderLayer =>
  new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 12, dropout: 0, batchFirst: true, ...options });

const tinyVit = { imageSize: 8, patchSize: 4, numLayers: 2, numHeads: 2, hiddenDim: 8, mlpDim: 12 };

const tinyBert = {
  vocabSize: 11,
  hiddenSize: 8,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 12,
  maxPositionEmbeddings: 7,
  hiddenDropoutProb: 0,
  attentionProbsDropoutProb: 0,
};

const makers: Record<string, Maker> = {
  "layer norm": () => plain(new nn.LayerNorm(6)),
  "layer norm over two axes": () => plain(new nn.LayerNorm([3, 4], { eps: 0.1 })),
  "layer norm without affine": () => plain(new nn.LayerNorm(5, { elementwiseAffine: false })),
  "group norm": () => plain(new nn.GroupNorm(2, 6)),
  "group norm of a sequence": () => plain(new nn.GroupNorm(3, 6, { eps: 0.1 })),
  "group norm without affine": () => plain(new nn.GroupNorm(4, 4, { affine: false })),
  "conv 1d": () => plain(new nn.Conv1d(4, 6, 3, { stride: 2, padding: 1 })),
  "conv 1d, grouped": () => plain(new nn.Conv1d(4, 6, 2, { groups: 2, bias: false })),
  "conv 1d, depthwise": () => plain(new nn.Conv1d(4, 4, 3, { padding: 1, groups: 4 })),
  embedding: () => plain(new nn.Embedding(5, 3)),
  "embedding with padding": () => plain(new nn.Embedding(5, 3, { paddingIdx: -1 })),
  "gelu with tanh": () => plain(new nn.Gelu({ approximate: "tanh" })),
  "self-attention": () => attention(new nn.MultiheadAttention(8, 2)),
  "self-attention, batch first, masked": () =>
    attention(new nn.MultiheadAttention(8, 4, { batchFirst: true })),
  "cross-attention without biases": () =>
    attention(new nn.MultiheadAttention(8, 2, { bias: false, batchFirst: true })),
  "encoder layer": () => plain(encoderLayer()),
  "encoder, norm first, gelu, padded": () => {
    const layer = () => encoderLayer({ activation: "gelu", normFirst: true, layerNormEps: 1e-3 });
    const module = new nn.TransformerEncoder(layer, 2, new nn.LayerNorm(8));
    const call = ({ x, keyPaddingMask }: Inputs) =>
      module.forward(x!, { keyPaddingMask: asBool(keyPaddingMask) });
    return { module, call };
  },
  vit: () => {
    const module = new VisionTransformer(tinyVit);
    return { module, call: ({ pixels }) => module.forward(pixels!) };
  },
  bert: () => {
    const module = new Bert(tinyBert);
    const call = ({ ids, types, seen }: Inputs) => {
      const output = module.forward({ inputIds: ids!, tokenTypeIds: types!, attentionMask: seen! });
      return tf.concat([tf.reshape(output.lastHiddenState, [2, -1]), output.poolerOutput], 1);
    };
    return { module, call };
  },
};

const cases = [...goldens.layers, ...goldens.models];

function check(golden: ModuleCase): void {
  const { module, call } = makers[golden.name]!();
  module.train(golden.training);
  expect(Object.keys(module.stateDict()).sort()).toEqual(Object.keys(golden.state).sort());
  module.loadStateDict(
    Object.fromEntries(Object.entries(golden.state).map(([key, value]) => [key, tensorOf(value)])),
  );
  const inputs: Inputs = {};
  for (const [key, value] of Object.entries(golden.inputs)) {
    inputs[key] = key in golden.inputGrads ? new nn.Parameter(tensorOf(value)) : tensorOf(value, "int32");
  }
  const floats = Object.values(inputs).filter((input) => input instanceof nn.Parameter);
  let output: tf.Tensor | undefined;
  nn.computeGradients(() => {
    output = tf.keep(call(inputs));
    return tf.sum(tf.mul(output, tensorOf(golden.cotangent)));
  }, [...module.parameters(), ...floats]);
  expectClose(output!, golden.output);
  for (const [key, grad] of Object.entries(golden.inputGrads)) {
    expectClose((inputs[key] as nn.Parameter).grad!, grad, 2e-5);
  }
  const parameters = Object.fromEntries(module.namedParameters());
  for (const [key, grad] of Object.entries(golden.grads)) expectClose(parameters[key]!.grad!, grad, 2e-5);
}

afterEach(() => tf.setBackend("onnxruntime"));

describe("modules as in PyTorch", () => {
  it("covers every golden case", () => {
    expect(cases.map((golden) => golden.name).sort()).toEqual(Object.keys(makers).sort());
  });

  it.each(cases.map((golden) => [golden.name, golden] as const))("%s", (_name, golden) => {
    engine.resetStats();
    check(golden);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it.each(cases.map((golden) => [golden.name, golden] as const))(
    "%s, on TF.js's cpu backend",
    async (_name, golden) => {
      await tf.setBackend("cpu");
      check(golden);
    },
  );
});

describe.each(["onnxruntime", "cpu"])("scaledDotProductAttention on %s", (backend) => {
  it.each(goldens.attention.map((golden) => [golden.name, golden] as const))("%s", async (_name, golden) => {
    await tf.setBackend(backend);
    const { scale, isCausal, boolMask, floatMask } = golden;
    const inputs = [...golden.inputs, ...(floatMask ? [floatMask] : [])].map(
      (x) => new nn.Parameter(tensorOf(x)),
    );
    const [query, key, value, mask] = inputs;
    const attnMask = boolMask ? asBool(tensorOf(boolMask, "int32"))! : mask;
    let output: tf.Tensor | undefined;
    nn.computeGradients(() => {
      const options = {
        ...(attnMask && { attnMask }),
        ...(scale && { scale }),
        ...(isCausal && { isCausal }),
      };
      output = tf.keep(nn.scaledDotProductAttention(query!, key!, value!, options));
      return tf.sum(tf.mul(output, tensorOf(golden.cotangent)));
    }, inputs);
    expectClose(output!, golden.output);
    golden.grads.forEach((grad, i) => expectClose(inputs[i]!.grad!, grad));
  });
});

describe("errors", () => {
  const three = tf.zeros([2, 4, 6]);
  const attend = (options: nn.AttentionOptions) => nn.scaledDotProductAttention(three, three, three, options);
  it.each<[string, () => unknown, string]>([
    ["axes of layer norm", () => new nn.LayerNorm(5).forward(three), "ERR_SHAPE"],
    ["weight of layer norm", () => nn.layerNorm(three, [6], { weight: tf.ones([4]) }), "ERR_SHAPE"],
    ["groups of group norm", () => new nn.GroupNorm(4, 6), "ERR_GROUPS"],
    ["groups in groupNorm", () => nn.groupNorm(three, 4), "ERR_GROUPS"],
    ["channels of group norm", () => new nn.GroupNorm(2, 4).forward(three), "ERR_SHAPE"],
    ["indices of an embedding", () => new nn.Embedding(3, 2).forward(tf.zeros([2])), "ERR_INDEX_TYPE"],
    ["padding of an embedding", () => new nn.Embedding(3, 2, { paddingIdx: 3 }), "ERR_PADDING_INDEX"],
    ["heads", () => new nn.MultiheadAttention(6, 4), "ERR_HEADS"],
    ["width of attention", () => new nn.MultiheadAttention(8, 4).forward(three), "ERR_SHAPE"],
    [
      "lengths of keys and values",
      () => nn.scaledDotProductAttention(three, three, tf.zeros([2, 3, 6])),
      "ERR_SHAPE",
    ],
    ["two masks", () => attend({ attnMask: tf.ones([4, 4]), isCausal: true }), "ERR_ATTENTION_MASK"],
    ["type of a mask", () => attend({ attnMask: tf.ones([4, 4], "int32") }), "ERR_ATTENTION_MASK"],
    ["shape of a mask", () => attend({ attnMask: tf.ones([3, 4]) }), "ERR_ATTENTION_MASK"],
    ["probability of attention's dropout", () => attend({ dropoutP: 2 }), "ERR_DROPOUT"],
    [
      "activation",
      () => new nn.TransformerEncoderLayer(4, 2, { activation: "gelo" as "gelu" }),
      "ERR_ACTIVATION",
    ],
    [
      "approximation of gelu",
      () => nn.gelu(three, { approximate: "erf" as "none" }),
      "ERR_GELU_APPROXIMATION",
    ],
    ["features of linear", () => nn.linear(three, tf.zeros([2, 5])), "ERR_SHAPE"],
    ["channels of a sequence", () => new nn.Conv1d(3, 4, 1).forward(three), "ERR_SHAPE"],
    ["groups of a sequence", () => new nn.Conv1d(3, 4, 1, { groups: 2 }), "ERR_GROUPS"],
    ["cross-entropy's target", () => nn.softmaxCrossEntropy(three, tf.zeros([2, 4])), "ERR_SHAPE"],
    ["patches", () => new VisionTransformer({ ...tinyVit, patchSize: 3 }), "ERR_PATCH_SIZE"],
    ["size of pictures", () => new VisionTransformer(tinyVit).forward(tf.zeros([1, 4, 4, 3])), "ERR_SHAPE"],
    ["heads of Bert", () => new Bert({ ...tinyBert, numAttentionHeads: 3 }), "ERR_HEADS"],
    [
      "length of a text",
      () => new Bert(tinyBert).forward({ inputIds: tf.zeros([1, 8], "int32") }),
      "ERR_SEQUENCE_LENGTH",
    ],
  ])("%s", (_name, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }) as Error);
  });
});
