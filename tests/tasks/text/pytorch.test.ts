/** An encoder that PyTorch exported, the focal loss and EmbeddingBag: values and gradients as PyTorch has them. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { loadTextEncoder } from "../../../src/backbones/text/load_text_encoder.js";
import { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { engine } from "../../../src/engine/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { computeGradients, crossEntropy, EmbeddingBag, focalLoss } from "../../../src/nn/index.js";
import { decodeSafetensors } from "../../../src/safetensors.js";
import { TextClassifier } from "../../../src/tasks/text/text_classifier.js";
import { runPlainOnnxRuntimeOn } from "../../support/plain_onnx_runtime.js";

interface Golden {
  model: string;
  ids: number[][];
  mask: number[][];
  target: number[];
  headWeight: number[][];
  headBias: number[];
  features: number[][];
  logits: number[][];
  loss: number;
  gradients: Record<string, { norm: number; first: number[]; shape: number[] }>;
  headGradient: number[][];
  focal: {
    logits: number[][];
    target: number[];
    loss: number;
    gradient: number[][];
    weight: number[];
    weighted: number;
  };
  bag: {
    weight: number[][];
    indices: number[][];
    sampleWeights: number[][];
    output: number[][];
    gradient: number[][];
  };
}

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../golden/text_tasks.json"), "utf8"),
) as Golden;
const folder = mkdtempSync(join(tmpdir(), "kindling-"));
const labels = ["a", "b", "c"];

function expectClose(given: ArrayLike<number>, expected: readonly number[], tolerance = 1e-5): void {
  const worst = Math.max(...expected.map((value, i) => Math.abs(given[i]! - value)));
  const scale = Math.max(1e-3, ...expected.map(Math.abs));
  expect(worst / scale).toBeLessThan(tolerance);
}

beforeAll(() => {
  mkdirSync(join(folder, "onnx"), { recursive: true });
  writeFileSync(join(folder, "onnx", "model.onnx"), Buffer.from(golden.model, "base64"));
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ model_type: "bert", max_position_embeddings: 32 }),
  );
  // Its 40 tokens: special ones, letters, and pieces of words.
  const vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ..."abcdefghijklmnopqrstuvwxyz012345678"];
  const trained = Tokenizer.train(["a b"], { vocabSize: 300 }).files();
  const json = JSON.parse(Buffer.from(trained["tokenizer.json"]!).toString()) as { model: { vocab: object } };
  json.model.vocab = Object.fromEntries(vocabulary.map((token, id) => [token, id]));
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(json));
});

describe("an encoder exported by PyTorch", () => {
  async function task(): Promise<TextClassifier> {
    const classifier = new TextClassifier({ labels, backbone: await loadTextEncoder(folder) });
    classifier.head.loadStateDict({
      weight: new HostTensor(Float32Array.from(golden.headWeight.flat()), [3, 16]),
      bias: new HostTensor(Float32Array.from(golden.headBias), [3]),
    });
    return classifier;
  }
  const inputs = () => ({
    inputIds: tf.tensor2d(golden.ids, undefined, "int32"),
    attentionMask: tf.tensor2d(golden.mask, undefined, "int32"),
  });

  it("has PyTorch's features, loss and gradients", async () => {
    const classifier = await task();
    engine.resetStats();
    tf.tidy(() => {
      expectClose(classifier.backbone.forward(inputs()).dataSync(), golden.features.flat());
      classifier.train();
      const target = tf.tensor1d(golden.target, "int32");
      const loss = computeGradients(
        () => crossEntropy(classifier.forward(inputs()), target),
        classifier.parameters(),
      );
      expect(loss.dataSync()[0]).toBeCloseTo(golden.loss, 5);
    });
    expectClose(classifier.head.weight.grad!.dataSync(), golden.headGradient.flat(), 1e-4);
    const found = new Map(classifier.backbone.namedParameters());
    const compared = Object.entries(golden.gradients).filter(([name]) => found.has(`model.${name}`));
    for (const [name, { norm, first, shape }] of compared) {
      const parameter = found.get(`model.${name}`)!;
      const gradient = parameter.grad!.dataSync();
      expect(parameter.shape, name).toEqual(shape);
      expect(Math.abs(Math.hypot(...gradient) - norm) / Math.max(norm, 1e-4), name).toBeLessThan(1e-3);
      expectClose(gradient, first, 2e-3);
    }
    // PyTorch names the transposed weights of its matrix products itself.
    expect(compared.length).toBeGreaterThan(20);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("is exported again with equal logits, saved and loaded", async () => {
    const classifier = await task();
    const target = join(folder, "exported");
    await classifier.exportOnnx(target);
    const tensor = (rows: number[][]) => ({ dtype: "int64" as const, data: rows.flat(), shape: [3, 6] });
    const [outputs] = runPlainOnnxRuntimeOn(join(target, "onnx", "model.onnx"), [
      { input_ids: tensor(golden.ids), attention_mask: tensor(golden.mask) },
    ]);
    expectClose(outputs!.logits!.data, golden.logits.flat());
    const path = join(folder, "saved.kindling");
    await classifier.save(path);
    // The weights are there once: in the ONNX model, which holds them as they are now.
    const { tensors } = decodeSafetensors(readFileSync(path), path);
    const states = Object.keys(tensors).filter((name) => name.startsWith("state."));
    expect(states.sort()).toEqual(["state.head.bias", "state.head.weight"]);
    const loaded = await TextClassifier.load(path);
    const texts = ["a b c", "d", ""];
    expect(await loaded.predict(texts, { output: "logits" })).toEqual(
      await classifier.predict(texts, { output: "logits" }),
    );
  });

  it("is made by the name of its folder, and refuses folders that are none", () => {
    expect(new TextClassifier({ labels, backbone: folder }).backbone.numFeatures).toBe(16);
    expect(() => new TextClassifier({ labels, backbone: join(folder, "onnx") })).toThrow(
      expect.objectContaining({
        code: "ERR_BACKBONE_FOLDER",
        message: expect.stringContaining("tokenizer.json") as string,
      }) as Error,
    );
    expect(() => new TextClassifier({ labels, backbone: folder, maxLength: 33 })).toThrow(
      expect.objectContaining({ code: "ERR_MAX_LENGTH" }) as Error,
    );
    expect(() => new TextClassifier({ labels, backbone: folder, tokenizer: folder })).toThrow(
      expect.objectContaining({ code: "ERR_PRETRAINED_OPTION" }) as Error,
    );
  });
});

it("has PyTorch's focal loss", () => {
  const { logits, target, loss, gradient, weight, weighted } = golden.focal;
  tf.tidy(() => {
    const given = tf.tensor1d(target, "int32");
    const focal = (x: tf.Tensor) => focalLoss(x, given, { gamma: 1.5 });
    const { value, grad } = tf.valueAndGrad(focal)(tf.tensor2d(logits));
    expect(value.dataSync()[0]).toBeCloseTo(loss, 5);
    expectClose(grad.dataSync(), gradient.flat(), 1e-4);
    expect(focalLoss(tf.tensor2d(logits), given, { gamma: 1.5, weight }).dataSync()[0]).toBeCloseTo(
      weighted,
      5,
    );
  });
});

it("has PyTorch's EmbeddingBag", () => {
  const { weight, indices, sampleWeights, output, gradient } = golden.bag;
  const bag = new EmbeddingBag(5, 3, { weight: new HostTensor(Float32Array.from(weight.flat()), [5, 3]) });
  tf.tidy(() => {
    const input = {
      indices: tf.tensor2d(indices, undefined, "int32"),
      perSampleWeights: tf.tensor2d(sampleWeights),
    };
    expectClose(bag.forward(input).dataSync(), output.flat());
    computeGradients(() => tf.sum(tf.square(bag.forward(input))), bag.parameters());
  });
  expectClose(bag.weight.grad!.dataSync(), gradient.flat(), 1e-4);
  expect(() => bag.forward({ indices: tf.tensor1d([0], "int32") })).toThrow(/\[batch, length\]/);
});
