/**
 * An encoder that PyTorch exported, fine-tuned on banking77 by TextClassifier's recipe: the loss of every step and the
 * gradients are those of PyTorch with the same recipe, and so are the logits of the model that is exported afterwards.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { loadTextEncoder } from "../../../src/backbones/text/load_text_encoder.js";
import { Callback, Trainer } from "../../../src/core/index.js";
import { DataLoader } from "../../../src/data/index.js";
import { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { engine, fromHost } from "../../../src/engine/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { computeGradients, crossEntropy } from "../../../src/nn/index.js";
import { TextClassificationData } from "../../../src/tasks/text/text_classification_data.js";
import { TextClassifier } from "../../../src/tasks/text/text_classifier.js";
import { runPlainOnnxRuntimeOn } from "../../support/plain_onnx_runtime.js";
import { describeShared } from "../../support/shared.js";

interface Golden {
  vocabulary: string[];
  length: number;
  batch: number;
  row: [number, number];
  learningRate: number;
  weightDecay: number;
  head: { weight: string; bias: string };
  tokens: number[][];
  losses: number[];
  gradientsBefore: Record<string, number>;
  gradientsAfter: Record<string, number>;
  logits: string;
}

const goldens = join(import.meta.dirname, "../../golden");
const golden = JSON.parse(readFileSync(join(goldens, "text_finetune.json"), "utf8")) as Golden;
const numbersOf = (text: string) => new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);

/** A folder in the Hugging Face layout, whose tokenizer knows whole words alone. */
function encoderFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kindling-"));
  mkdirSync(join(folder, "onnx"));
  copyFileSync(join(goldens, "text_finetune.onnx"), join(folder, "onnx", "model.onnx"));
  const config = { model_type: "bert", max_position_embeddings: golden.length };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const trained = Tokenizer.train(["a b"], { vocabSize: 300 }).files();
  const json = JSON.parse(Buffer.from(trained["tokenizer.json"]!).toString()) as { model: { vocab: object } };
  json.model.vocab = Object.fromEntries(golden.vocabulary.map((token, id) => [token, id]));
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(json));
  return folder;
}

class Losses extends Callback {
  readonly values: number[] = [];
  override onTrainBatchEnd(trainer: Trainer): void {
    this.values.push(trainer.callbackMetrics.train_loss!);
  }
}

/** Names with the distance between two norms, as a share of the larger one or of a hundredth of the largest of all. */
function distances(given: Record<string, number>, expected: Record<string, number>): [string, number][] {
  const smallest = Math.max(...Object.values(expected)) / 100;
  return Object.entries(expected).map(([name, norm]) => {
    return [name, Math.abs(given[name]! - norm) / Math.max(norm, smallest)];
  });
}

describeShared("data/banking77", (shared) => {
  let task: TextClassifier;
  let texts: string[];
  let targets: number[];

  /** The row of the n-th text. */
  const rowOf = (n: number) => (golden.row[0] * n + golden.row[1] * n * n) % texts.length;

  /** The n-th batch, as the script draws it. */
  const batch = (step: number) => {
    const { preprocessor } = task;
    const chosen = Array.from({ length: golden.batch }, (_, i) => rowOf(step * golden.batch + i));
    const input = preprocessor.collate(chosen.map((row) => preprocessor.encode(texts[row]!)));
    const target = new HostTensor(
      Int32Array.from(chosen, (row) => targets[row]!),
      [golden.batch],
    );
    return { input, target };
  };

  /** Norms of the gradients of a batch: those of parameters that keep PyTorch's names, and of all, in order of size. */
  const expectGradients = (step: number, expected: Record<string, number>, tolerance: number): void => {
    const { input, target } = batch(step);
    tf.tidy(() => {
      const arrays = Object.fromEntries(
        Object.entries(input).map(([name, array]) => [name, fromHost(array)]),
      );
      const loss = () => crossEntropy(task.forward(arrays), fromHost(target));
      computeGradients(loss, task.parameters());
    });
    const norms = new Map<string, number>();
    for (const [name, { grad }] of task.namedParameters()) {
      norms.set(name.replace("backbone.model.", "encoder."), Math.hypot(...grad!.dataSync()));
    }
    const kept = Object.entries(expected).filter(([name]) => norms.has(name));
    expect(kept.length).toBeGreaterThan(30);
    const far = (given: Record<string, number>, wanted: Record<string, number>) =>
      distances(given, wanted).filter(([, distance]) => distance > tolerance);
    expect(far(Object.fromEntries(norms), Object.fromEntries(kept))).toEqual([]);
    // The exporter renames the transposed weights of matrix products: of these the order of size is compared.
    expect(norms.size).toBe(Object.keys(expected).length);
    const bySize = (values: Iterable<number>): Record<string, number> =>
      Object.fromEntries([...values].sort((a, b) => b - a).map((value, place) => [place, value]));
    expect(far(bySize(norms.values()), bySize(Object.values(expected)))).toEqual([]);
  };

  beforeAll(async () => {
    const train = join(shared, "train.csv");
    const labels = JSON.parse(readFileSync(join(shared, "categories.json"), "utf8")) as string[];
    const data = await TextClassificationData.fromCsv({ train, labelColumn: "category", labels });
    const samples = data.samples("train");
    texts = samples.map(({ text }) => text);
    targets = samples.map(({ target }) => labels.indexOf(target));
    const { learningRate, weightDecay, head } = golden;
    const backbone = await loadTextEncoder(encoderFolder());
    task = new TextClassifier({ labels, backbone, learningRate, weightDecay });
    const [weight, bias] = [numbersOf(head.weight), numbersOf(head.bias)];
    task.head.loadStateDict({
      weight: new HostTensor(weight, [labels.length, weight.length / labels.length]),
      bias: new HostTensor(bias, [labels.length]),
    });
  });

  it("has PyTorch's tokens, losses, gradients and logits, and so has the exported model", async () => {
    const first = golden.tokens.map((_, i) => texts[rowOf(i)]!);
    expect(first.map((text) => [...task.preprocessor.encode(text).ids])).toEqual(golden.tokens);
    task.train();
    expectGradients(0, golden.gradientsBefore, 1e-3);

    const steps = golden.losses.length;
    const batches = Array.from({ length: steps }, (_, step) => batch(step));
    const dataset = { length: steps, get: (step: number) => batches[step]! };
    const loader = new DataLoader(dataset, { batchSize: 1, collate: ([one]: typeof batches) => one! });
    const losses = new Losses();
    const trainer = new Trainer({
      maxEpochs: 1,
      logger: false,
      enableProgressBar: false,
      enableCheckpointing: false,
      callbacks: [losses],
    });
    engine.resetStats();
    await trainer.fit(task, { train: loader });
    expect(engine.stats().fallbackKernels).toEqual({});
    expect(losses.values).toHaveLength(steps);
    losses.values.forEach((loss, step) => expect(loss, `step ${step}`).toBeCloseTo(golden.losses[step]!, 3));
    // It has learned something, so that the comparison means something.
    expect(Math.min(...losses.values)).toBeLessThan(golden.losses[0]! - 0.5);
    task.train();
    expectGradients(steps, golden.gradientsAfter, 2e-2);

    const folder = mkdtempSync(join(tmpdir(), "kindling-"));
    await task.exportOnnx(folder);
    const { inputIds, attentionMask } = batch(0).input;
    const feed = ({ data, shape }: HostTensor) => ({ dtype: "int64" as const, data, shape });
    const feeds = { input_ids: feed(inputIds!), attention_mask: feed(attentionMask!) };
    const [outputs] = runPlainOnnxRuntimeOn(join(folder, "onnx", "model.onnx"), [feeds]);
    const ours = await task.predict(first, { output: "logits" });
    const theirs = numbersOf(golden.logits);
    outputs!.logits!.data.forEach((logit, i) => expect(Math.abs(logit - theirs[i]!)).toBeLessThan(2e-2));
    ours.flat().forEach((logit, i) => expect(outputs!.logits!.data[i]).toBeCloseTo(logit, 4));
  }, 300_000);
});
