/** Text encoders from the hub: of ONNX files, and of safetensors with the sizes that config.json gives. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Bert, DistilBert } from "../../../src/backbones/index.js";
import { loadTextEncoder } from "../../../src/backbones/text/load_text_encoder.js";
import { createTextBackbone } from "../../../src/backbones/text/registry.js";
import type { TextModule } from "../../../src/backbones/text/text_backbone.js";
import { Tokenizer } from "../../../src/data/text/tokenizer.js";
import type { AnyModule } from "../../../src/nn/index.js";
import { encodeSafetensors, type SafetensorsTensor } from "../../../src/safetensors.js";
import { TextClassifier } from "../../../src/tasks/text/text_classifier.js";
import { TextEmbedder } from "../../../src/tasks/text/text_embedder.js";
import { HubServer } from "../../support/hub_server.js";
import "../../support/backend.js";

const code = (value: string, message = /./s) =>
  expect.objectContaining({ code: value, message: expect.stringMatching(message) as string }) as Error;

const tokenizer = Tokenizer.train(["one two three", "two threes"], { vocabSize: 300 });
const tokenizerFiles = tokenizer.files();
const texts = ["one two", "three threes one two two"];
const BERT_CONFIG = {
  model_type: "bert",
  hidden_act: "gelu",
  vocab_size: tokenizer.vocabSize,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 32,
  torch_dtype: "float32",
};
const sizes = { hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 24 };
const lengths = { vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: 32 };

function weightsOf(module: AnyModule, prefix: string): Uint8Array {
  const tensors: Record<string, SafetensorsTensor> = {};
  for (const [name, tensor] of Object.entries(module.stateDict())) {
    tensors[prefix + name] = { dtype: "F32", shape: [...tensor.shape], data: tensor.dataSync<"float32">() };
  }
  return encodeSafetensors(tensors);
}

/** The hidden states of one text, [length, width]. */
function hiddenStates(module: TextModule | Bert, text: string): number[][] {
  const { ids } = tokenizer.encode(text);
  return tf.tidy(() => {
    const inputIds = tf.tensor2d(ids, [1, ids.length], "int32");
    const inputs = { inputIds, attentionMask: tf.onesLike(inputIds), tokenTypeIds: tf.zerosLike(inputIds) };
    const hidden =
      module instanceof Bert
        ? module.eval().forward(inputs).lastHiddenState
        : module.eval().forwardTokens!(inputs);
    return (hidden.arraySync() as number[][][])[0]!;
  });
}

let server: HubServer;
let cacheDir: string;

beforeEach(async () => {
  server = await HubServer.start();
  cacheDir = mkdtempSync(join(tmpdir(), "kindling-hub-"));
  for (const name of ["HF_HUB_CACHE", "HF_HOME"]) vi.stubEnv(name, cacheDir);
  vi.stubEnv("HF_ENDPOINT", server.endpoint);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

describe("a BERT of the registry", () => {
  it("is made with its repository's sizes, weights, tokenizer and way of pooling", async () => {
    expect(() => createTextBackbone("bge-small-en-v1.5", { texts: undefined })).toThrow(
      code("ERR_BACKBONE_NOT_DOWNLOADED", /downloadBackbone\("bge-small-en-v1.5"\)/),
    );
    const published = new Bert({ ...sizes, ...lengths });
    server.add("BAAI/bge-small-en-v1.5", {
      files: {
        "config.json": JSON.stringify(BERT_CONFIG),
        "model.safetensors": weightsOf(published, "bert."),
        "onnx/model.onnx": "not wanted",
        ...tokenizerFiles,
      },
    });
    const loaded = await loadTextEncoder("bge-small-en-v1.5");
    expect(server.downloads("onnx/model.onnx")).toHaveLength(0);
    expect(loaded).toMatchObject({ name: "bge-small-en-v1.5", pretrained: true });
    expect(loaded.module.numFeatures).toBe(16);
    expect(hiddenStates(loaded.module, texts[1]!)).toEqual(hiddenStates(published, texts[1]!));
    // Its features are the first token's, as the registry says.
    const embedder = new TextEmbedder({ backbone: "bge-small-en-v1.5", normalize: false });
    const [first] = hiddenStates(published, texts[1]!);
    (await embedder.predict(texts[1]!)).forEach((value, i) => expect(value).toBeCloseTo(first![i]!, 5));
  });

  it("gives predictions that saving and loading keep, with its weights in the file once", async () => {
    const files = { "config.json": JSON.stringify(BERT_CONFIG), ...tokenizerFiles };
    const weights = weightsOf(new Bert({ ...sizes, ...lengths }), "");
    server.add("someone/tiny-bert", { files: { ...files, "model.safetensors": weights } });
    const backbone = await loadTextEncoder("someone/tiny-bert@main");
    const task = new TextClassifier({ labels: ["a", "b"], backbone });
    const path = join(cacheDir, "saved.kindling");
    await task.save(path);
    expect(readFileSync(path).length).toBeLessThan(
      weights.length + tokenizerFiles["tokenizer.json"]!.length + 9000,
    );
    const again = await TextClassifier.load(path);
    const logits = { output: "logits" } as const;
    expect(await again.predict(texts, logits)).toEqual(await task.predict(texts, logits));
  });
});

it("pools as sentence-transformers' files of a repository say", async () => {
  const published = new Bert({ ...sizes, ...lengths });
  const files = {
    "config.json": JSON.stringify(BERT_CONFIG),
    "model.safetensors": weightsOf(published, ""),
    ...tokenizerFiles,
  };
  const pooling = JSON.stringify({ pooling_mode_cls_token: false, pooling_mode_max_tokens: true });
  server.add("someone/pools", { files: { ...files, "1_Pooling/config.json": pooling } });
  const backbone = await loadTextEncoder("someone/pools");
  const embedder = new TextEmbedder({ backbone, normalize: false });
  const states = hiddenStates(published, texts[0]!);
  const vector = await embedder.predict(texts[0]!);
  vector.forEach((value, i) => expect(value).toBeCloseTo(Math.max(...states.map((row) => row[i]!)), 5));
});

it("makes a DistilBERT of its configuration", async () => {
  const options = { dim: 16, nLayers: 2, nHeads: 2, hiddenDim: 24, ...lengths };
  const published = new DistilBert(options);
  const config = {
    model_type: "distilbert",
    activation: "gelu",
    vocab_size: tokenizer.vocabSize,
    dim: 16,
    n_layers: 2,
    n_heads: 2,
    hidden_dim: 24,
    max_position_embeddings: 32,
  };
  const folder = join(cacheDir, "distil");
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "model.safetensors"), weightsOf(published, "distilbert."));
  for (const [name, bytes] of Object.entries(tokenizerFiles)) writeFileSync(join(folder, name), bytes);
  const { module } = createTextBackbone(folder, { texts: undefined });
  const { ids } = tokenizer.encode(texts[1]!);
  const expected = tf.tidy(() => {
    const inputIds = tf.tensor2d(ids, [1, ids.length], "int32");
    const input = { inputIds, attentionMask: tf.onesLike(inputIds) };
    return published.eval().forward(input).lastHiddenState.arraySync() as number[][][];
  });
  expect(hiddenStates(module, texts[1]!)).toEqual(expected[0]);
});

it("says what it cannot use, and what to take", async () => {
  const files = { "model.safetensors": "unread", ...tokenizerFiles };
  const config = (changes: object) => JSON.stringify({ ...BERT_CONFIG, ...changes });
  server.add("someone/t5", { files: { ...files, "config.json": config({ model_type: "t5" }) } });
  await expect(loadTextEncoder("someone/t5")).rejects.toThrow(
    code("ERR_BACKBONE_FOLDER", /of the type "t5".*onnx-community/),
  );
  server.add("someone/relu", { files: { ...files, "config.json": config({ hidden_act: "relu" }) } });
  await expect(loadTextEncoder("someone/relu")).rejects.toThrow(code("ERR_BACKBONE_FOLDER", /"relu"/));
  await expect(loadTextEncoder("all-MiniLM-L6")).rejects.toThrow(
    code("ERR_UNKNOWN_BACKBONE", /Did you mean "all-MiniLM-L6-v2"/),
  );
  expect(() => createTextBackbone("bag-of-ngram", { texts: undefined })).toThrow(
    code("ERR_UNKNOWN_BACKBONE", /Did you mean "bag-of-ngrams"/),
  );
});
