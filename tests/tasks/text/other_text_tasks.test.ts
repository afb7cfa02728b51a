/** TextEmbedder, ZeroShotTextClassifier and TokenClassifier, and what they are made of. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { LengthGroupedSampler } from "../../../src/data/index.js";
import { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { Trainer } from "../../../src/core/index.js";
import { engine } from "../../../src/engine/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { loadWordVectors } from "../../../src/backbones/text/word_vectors_backbone.js";
import { sharp } from "../../../src/data/image/sharp.js";
import { plotConfusionMatrix } from "../../../src/tasks/confusion_matrix_plot.js";
import { classificationReport } from "../../../src/tasks/classification_report.js";
import { entitiesOf, EntityF1 } from "../../../src/tasks/text/entities.js";
import { semanticSearch } from "../../../src/tasks/text/semantic_search.js";
import { TextClassificationData } from "../../../src/tasks/text/text_classification_data.js";
import { TextClassifier } from "../../../src/tasks/text/text_classifier.js";
import { TokenClassificationData } from "../../../src/tasks/text/token_classification_data.js";
import { TokenClassifier } from "../../../src/tasks/text/token_classifier.js";
import { ZeroShotTextClassifier } from "../../../src/tasks/text/zero_shot_text_classifier.js";
import { runPlainOnnxRuntimeOn } from "../../support/plain_onnx_runtime.js";

const quiet = { logger: false, enableProgressBar: false, enableCheckpointing: false } as const;
const folder = mkdtempSync(join(tmpdir(), "kindling-"));
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

describe("LengthGroupedSampler", () => {
  const lengths = Array.from({ length: 1003 }, (_, i) => (i * 37) % 101);

  it("draws every sample once, in batches of like lengths, and anew in each epoch", () => {
    const sampler = new LengthGroupedSampler(lengths, { batchSize: 10, shuffle: true });
    const [first, second] = [sampler.order(new Generator(0, 0)), sampler.order(new Generator(0, 1))];
    expect([...first].sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    expect(second).not.toEqual(first);
    const spreads = Array.from({ length: 100 }, (_, batch) => {
      const members = first.slice(batch * 10, batch * 10 + 10).map((i) => lengths[i]!);
      return Math.max(...members) - Math.min(...members);
    });
    expect(spreads.reduce((a, b) => a + b) / 100).toBeLessThan(6);
  });
});

describe("TextEmbedder", () => {
  it("finds texts on the same topic", async () => {
    seedEverything(0);
    const texts = ["rain and sun", "a rainy storm", "soup and bread", "bread with cheese"];
    const data = await TextClassificationData.fromLists({
      train: { texts: [...texts, ...texts], targets: ["w", "w", "f", "f", "w", "w", "f", "f"] },
    });
    const task = new TextClassifier({ data });
    await new Trainer({ ...quiet, maxEpochs: 30 }).fit(task, data);
    const embedder = task.asEmbedder();
    const vector = await embedder.predict("rain");
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    const hits = await embedder.search("some cheese soup", texts, { topK: 2 });
    expect(hits.map(({ index }) => index).sort()).toEqual([2, 3]);
    expect(await embedder.predict([])).toEqual([]);
  });

  it("ranks by cosine", () => {
    const corpus = [
      Float32Array.of(1, 0),
      Float32Array.of(3, 3),
      Float32Array.of(0, -1),
      Float32Array.of(0, 0),
    ];
    const hits = semanticSearch(Float32Array.of(0, 2), corpus, { topK: 4 });
    expect(hits.map(({ index }) => index)).toEqual([1, 0, 3, 2]);
    expect(hits[0]!.score).toBeCloseTo(Math.SQRT1_2, 6);
    expect(() => semanticSearch(Float32Array.of(1), corpus)).toThrow(code("ERR_SHAPE"));
  });
});

describe("ZeroShotTextClassifier", () => {
  it("asks an inference model about each class", async () => {
    // A model that was taught that a hypothesis follows from a premise with the same topic word.
    seedEverything(2);
    const topics = ["rain", "soup", "goal"];
    const random = new Generator(4);
    const texts = Array.from({ length: 360 }, (_, i) => {
      const [topic, other] = [topics[i % 3]!, topics[(i + 1 + random.integer(2)) % 3]!];
      return {
        text: `we saw ${topic} about ${i % 2 === 0 ? topic : other}`,
        target: i % 2 === 0 ? "entailment" : "contradiction",
      };
    });
    const data = await TextClassificationData.fromLists({
      train: { texts: texts.map(({ text }) => text), targets: texts.map(({ target }) => target) },
      batchSize: 16,
    });
    const task = new TextClassifier({ data, backbone: "bert-tiny", maxLength: 32 });
    await new Trainer({ ...quiet, maxEpochs: 6 }).fit(task, data);
    const target = join(folder, "nli");
    await task.exportOnnx(target);
    const zeroShot = await ZeroShotTextClassifier.fromFolder(target);
    const labels = ["rain", "soup"];
    const [best, second] = await zeroShot.predict("we saw rain", labels, { hypothesisTemplate: "about {}" });
    expect(best!.score + second!.score).toBeCloseTo(1, 5);
    const many = await zeroShot.predict(["we saw rain", "soup"], labels, { multiLabel: true });
    expect(many).toHaveLength(2);
    // As the exported classifier judges the pair itself.
    const { tokenizer } = task.preprocessor as unknown as { tokenizer: Tokenizer };
    const { ids, typeIds } = tokenizer.encode("we saw rain", { pair: "about rain" });
    const entailment = tf.tidy(() => {
      task.eval();
      const row = (values: Int32Array) => tf.tensor2d(values, [1, values.length], "int32");
      const inputs = { inputIds: row(ids), tokenTypeIds: row(typeIds), attentionMask: tf.onesLike(row(ids)) };
      return tf.softmax(task.forward(inputs)).dataSync()[task.labels.indexOf("entailment")]!;
    });
    const [alone] = await zeroShot.predict("we saw rain", ["rain"], { hypothesisTemplate: "about {}" });
    expect(alone!.score).toBeCloseTo(entailment, 4);
    await expect(zeroShot.predict("x", [])).rejects.toThrow(code("ERR_ZERO_SHOT_LABELS"));
  }, 120_000);

  it("refuses folders that hold no such model", async () => {
    await expect(ZeroShotTextClassifier.fromFolder(folder)).rejects.toThrow(code("ERR_ZERO_SHOT_MODEL"));
  });
});

describe("entities", () => {
  it("finds them as CoNLL's scorer does", () => {
    const tags = [
      "O",
      "B-PER",
      "I-PER",
      "B-PER",
      "I-LOC",
      "I-LOC",
      "O",
      "I-ORG",
      "S-LOC",
      "B-ORG",
      "E-ORG",
      "E-ORG",
    ];
    expect(entitiesOf(tags)).toEqual([
      { type: "PER", first: 1, last: 2 },
      { type: "PER", first: 3, last: 3 },
      { type: "LOC", first: 4, last: 5 },
      { type: "ORG", first: 7, last: 7 },
      { type: "LOC", first: 8, last: 8 },
      { type: "ORG", first: 9, last: 10 },
      { type: "ORG", first: 11, last: 11 },
    ]);
  });

  it("counts whole entities: 1 of 2 found is right, of 2 there are", async () => {
    const f1 = new EntityF1(["O", "B-X", "I-X"]);
    const predicted = tf.oneHot(tf.tensor2d([[0, 1, 2, 0, 1, 0]], [1, 6], "int32"), 3);
    f1.update(predicted, tf.tensor2d([[-1, 1, 2, 0, 1, 2]], [1, 6], "int32"));
    expect(await f1.compute()).toBeCloseTo(0.5, 6);
    f1.reset();
    expect(await f1.compute()).toBe(0);
  });
});

describe("TokenClassifier", () => {
  const names = ["Anna", "Bert", "Clara", "Dora"];
  const places = ["Rome", "Oslo", "Lima"];
  const sentences = Array.from({ length: 160 }, (_, i) => {
    const [name, place] = [names[i % 4]!, places[i % 3]!];
    return i % 2 === 0
      ? { words: [name, "went", "to", place, "."], tags: ["B-PER", "O", "O", "B-LOC", "O"] }
      : { words: ["In", place, name, "Smith", "slept"], tags: ["O", "B-LOC", "B-PER", "I-PER", "O"] };
  });

  it("learns from CoNLL files, and gives places in the text", async () => {
    seedEverything(0);
    const file = join(folder, "train.conll");
    const lines = sentences.map(({ words, tags }) =>
      words.map((word, i) => `${word} NN ${tags[i]}`).join("\n"),
    );
    writeFileSync(file, `-DOCSTART- -X- O\n\n${lines.join("\n\n")}\n`);
    const data = await TokenClassificationData.fromConll({ train: file, valSplit: 0.2, batchSize: 16 });
    expect(data.labels).toEqual(["O", "B-LOC", "B-PER", "I-PER"]);
    const task = new TokenClassifier({ data, maxLength: 32 });
    const trainer = new Trainer({ ...quiet, maxEpochs: 8 });
    engine.resetStats();
    await trainer.fit(task, data);
    expect(trainer.callbackMetrics.val_f1).toBeGreaterThan(0.95);
    expect(engine.stats().fallbackKernels).toEqual({});
    const text = "In  Oslo 👍 Anna Smith slept";
    const found = await task.predict(text);
    for (const { text: part, start, end } of found) expect(text.slice(start, end)).toBe(part);
    expect(found).toContainEqual(expect.objectContaining({ type: "LOC", text: "Oslo", start: 4, end: 8 }));
    expect(await task.predict(["", "went"])).toEqual([[], []]);
    const path = join(folder, "tokens.kindling");
    await task.save(path);
    expect(await (await TokenClassifier.load(path)).predict(text)).toEqual(found);
    await expectExported(task);
  }, 120_000);

  /** The exported folder gives this task's logits in plain ONNX Runtime, and its tags in transformers.js. */
  async function expectExported(task: TokenClassifier): Promise<void> {
    const target = join(folder, "tagger");
    await task.exportOnnx(target);
    const tokenizer = Tokenizer.fromFile(target);
    const [ids, shorter] = ["Anna Smith went to Oslo .", "In Lima"].map((text) => [
      ...tokenizer.encode(text).ids,
    ]);
    const padded = [...shorter!, ...ids!.slice(shorter!.length).fill(tokenizer.padId)];
    const mask = [ids!, padded].flatMap((_, row) =>
      ids!.map((_, i) => (row === 0 || i < shorter!.length ? 1 : 0)),
    );
    const shape = [2, ids!.length];
    const feeds = {
      input_ids: { dtype: "int64" as const, data: [...ids!, ...padded], shape },
      attention_mask: { dtype: "int64" as const, data: mask, shape },
      token_type_ids: { dtype: "int64" as const, data: mask.map(() => 0), shape },
    };
    const [outputs] = runPlainOnnxRuntimeOn(join(target, "onnx", "model.onnx"), [feeds]);
    const expected = tf.tidy(() => {
      const tensor = ({ data }: { data: number[] }) => tf.tensor2d(data, shape as [number, number], "int32");
      const { input_ids: inputIds, attention_mask: attentionMask, token_type_ids: tokenTypeIds } = feeds;
      const inputs = {
        inputIds: tensor(inputIds),
        attentionMask: tensor(attentionMask),
        tokenTypeIds: tensor(tokenTypeIds),
      };
      return task.eval().forward(inputs).dataSync();
    });
    expect(outputs!.logits!.shape).toEqual([2, ids!.length, task.labels.length]);
    expected.forEach((value, i) => expect(outputs!.logits!.data[i]).toBeCloseTo(value, 4));
    const text = "Anna Smith went to Oslo.";
    const script = `
      import { env, pipeline } from "@huggingface/transformers";
      env.allowRemoteModels = false;
      const tag = await pipeline("token-classification", ${JSON.stringify(target)}, { dtype: "fp32" });
      console.log(JSON.stringify(await tag(${JSON.stringify(text)})));`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    const tagged = JSON.parse(printed.trim().split("\n").at(-1)!) as { entity: string; word: string }[];
    const whole = tagged.filter(({ word }) => !word.startsWith("##")).map(({ entity }) => entity);
    const types = (await task.predict(text)).map(({ type }) => type);
    expect(whole.filter((tag) => tag.startsWith("B-")).map((tag) => tag.slice(2))).toEqual(types);
  }

  it("reads JSON Lines, and tells of rows and tags that do not fit", async () => {
    const file = join(folder, "train.jsonl");
    writeFileSync(
      file,
      sentences.map(({ words, tags }) => JSON.stringify({ tokens: words, tags })).join("\n"),
    );
    const data = await TokenClassificationData.fromJsonl({ train: file });
    expect(data.labels).toHaveLength(4);
    writeFileSync(file, '{"tokens":["a"],"tags":["O"]}\n{"tokens":["a","b"],"tags":["O"]}\n');
    await expect(TokenClassificationData.fromJsonl({ train: file })).rejects.toThrow(/row 2/);
    mkdirSync(join(folder, "conll"));
    const bad = join(folder, "conll", "bad.txt");
    writeFileSync(bad, "word O\nlonely\n");
    await expect(TokenClassificationData.fromConll({ train: bad })).rejects.toThrow(code("ERR_TABLE_ROW"));
    const train = [{ words: ["a"], tags: ["O"] }];
    const val = [{ words: ["a"], tags: ["B-X"] }];
    await expect(TokenClassificationData.fromLists({ train, val })).rejects.toThrow(
      code("ERR_UNKNOWN_CLASS"),
    );
  });
});

it("reports what scikit-learn would: worked out by hand", () => {
  const logits = [
    [2, 0],
    [2, 0],
    [0, 2],
    [2, 0],
  ];
  const classes = [["a"], ["a"], ["b"], ["b"]];
  const report = classificationReport({
    samples: [1, 2, 3, 4],
    logits,
    classes,
    labels: ["a", "b"],
    multiLabel: false,
  });
  expect(report.accuracy).toBe(0.75);
  expect(report.confusionMatrix).toEqual([
    [2, 0],
    [1, 1],
  ]);
  expect(report.perClass[0]).toEqual({ label: "a", precision: 2 / 3, recall: 1, f1: 0.8, support: 2 });
  expect(report.macroF1).toBeCloseTo((0.8 + 2 / 3) / 2, 6);
  expect(report.microF1).toBeCloseTo(0.75, 6);
  // Every confidence is 1 / (1 + e⁻²), and three of four are right.
  expect(report.calibrationError).toBeCloseTo(Math.abs(1 / (1 + Math.exp(-2)) - 0.75), 6);
  expect(report.hardest[0]).toMatchObject({ sample: 4, target: "b", prediction: "a" });
  expect(report.hardest[0]!.loss).toBeCloseTo(2 + Math.log1p(Math.exp(-2)), 6);
});

describe("word vectors", () => {
  it("are read from GloVe's and fastText's files, and stay as they are while the head learns", async () => {
    const file = join(folder, "vectors.txt");
    writeFileSync(file, "3 2\nrain 1 0\nsoup 0 1\nnew york 0.5 0.5\n");
    const backbone = await loadWordVectors(file);
    const texts = ["rain", "soup", "Rain rain", "the soup"];
    const targets = ["w", "f", "w", "f"];
    const data = await TextClassificationData.fromLists({ train: { texts, targets } });
    const task = new TextClassifier({ data, backbone });
    await new Trainer({ ...quiet, maxEpochs: 60 }).fit(task, data);
    expect((await task.predict(texts)).map(({ label }) => label)).toEqual(targets);
    const vector = await task.asEmbedder({ normalize: false }).predict("rain and soup");
    expect([...vector]).toEqual([0.5, 0.5]);
    const path = join(folder, "vectors.kindling");
    await task.save(path);
    const loaded = await TextClassifier.load(path);
    expect(await loaded.predict("rain", { output: "logits" })).toEqual(
      await task.predict("rain", { output: "logits" }),
    );
    writeFileSync(file, "rain 1 0\nsoup x 1\n");
    await expect(loadWordVectors(file)).rejects.toThrow(
      expect.objectContaining({ code: "ERR_WORD_VECTORS", row: 2 }) as Error,
    );
  });
});

it("draws a confusion matrix with a cell for each pair of classes", async () => {
  const png = await plotConfusionMatrix({
    matrix: [
      [9, 1],
      [0, 5],
    ],
    labels: ["cat", "a rather long name"],
  });
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => data[(y * info.width + x) * info.channels]!;
  const [right, down] = [info.width - 14, info.height - 14];
  // The last row is all right: its last cell is dark, the one beside it white.
  expect(at(right, down)).toBeLessThan(60);
  expect(at(right - 48, down)).toBeGreaterThan(250);
  await expect(plotConfusionMatrix({ matrix: [[1]], labels: [] })).rejects.toThrow(
    code("ERR_CONFUSION_MATRIX"),
  );
});
