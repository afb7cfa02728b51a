/** TextClassifier as a user meets it: training, predicting, saving, exporting, and odd texts. */
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { Trainer, type TrainerOptions } from "../../../src/core/index.js";
import { engine } from "../../../src/engine/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { TextClassificationData } from "../../../src/tasks/text/text_classification_data.js";
import { TextClassifier } from "../../../src/tasks/text/text_classifier.js";
import type { TextClassifierOptions } from "../../../src/tasks/text/text_classifier_options.js";
import { runPlainOnnxRuntimeOn } from "../../support/plain_onnx_runtime.js";

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const folder = mkdtempSync(join(tmpdir(), "kindling-"));

const WORDS = {
  weather: ["rain", "sun", "cloudy", "storm", "degrees", "forecast", "windy"],
  food: ["bread", "soup", "cheese", "spoon", "baking", "dinner", "tasty"],
  sport: ["goal", "match", "runner", "league", "score", "stadium", "coach"],
};
const FILLERS = ["the", "a", "today", "we", "had", "some", "very", "it", "was", "and", "there"];

function part(count: number, seed: number) {
  const random = new Generator(seed);
  const pick = (list: readonly string[]) => list[random.integer(list.length)]!;
  const topics = Object.keys(WORDS) as (keyof typeof WORDS)[];
  const targets = Array.from({ length: count }, (_, i) => topics[i % topics.length]!);
  const texts = targets.map((target) =>
    Array.from({ length: 3 + random.integer(9) }, (_, i) => pick(i % 3 === 1 ? WORDS[target] : FILLERS)).join(
      " ",
    ),
  );
  return { texts, targets };
}

async function trained(options: Partial<TextClassifierOptions> = {}, maxEpochs = 6) {
  seedEverything(1);
  const data = await TextClassificationData.fromLists({
    train: part(240, 1),
    val: part(60, 2),
    batchSize: 16,
  });
  const task = new TextClassifier({ data, ...options });
  const trainer = new Trainer({ ...quiet, maxEpochs });
  await trainer.fit(task, data);
  return { task, data, accuracy: trainer.callbackMetrics.val_accuracy! };
}

describe.each([
  ["bag-of-ngrams", 6],
  ["text-cnn", 4],
  ["bert-tiny", 4],
] as const)("the backbone %s", (backbone, epochs) => {
  let run: Awaited<ReturnType<typeof trained>>;
  beforeAll(async () => {
    engine.resetStats();
    run = await trained({ backbone, maxLength: 32 }, epochs);
  }, 120_000);

  it("learns, without a kernel on the slow path", () => {
    expect(run.accuracy).toBeGreaterThan(0.9);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("gives a text the same scores alone and among longer ones", async () => {
    const text = "some rain today";
    const alone = await run.task.predict(text, { output: "logits" });
    const longer = Array.from({ length: 12 }, (_, i) => `${text} ${"and a tasty goal ".repeat(i + 1)}`);
    const together = await run.task.predict([...longer, text], { output: "logits" });
    together.at(-1)!.forEach((logit, i) => expect(logit).toBeCloseTo(alone[i]!, 5));
  });

  it("takes odd texts", async () => {
    const odd = [
      "",
      "   ",
      "\u0000",
      "\ud83d",
      "\udc00x",
      "👩‍👩‍👧",
      "word ".repeat(200_000),
      "x".repeat(1_000_000),
    ];
    const answers = await run.task.predict(odd, { output: "probabilities" });
    for (const answer of answers) {
      expect(answer.every((probability) => probability >= 0 && probability <= 1)).toBe(true);
    }
    await expect(run.task.predict([undefined as unknown as string])).rejects.toThrow(code("ERR_TEXT"));
  });

  it("is the same after it was saved and loaded", async () => {
    const path = join(folder, `${backbone}.kindling`);
    await run.task.save(path);
    const loaded = await TextClassifier.load(path);
    const texts = part(20, 5).texts;
    expect(await loaded.predict(texts, { output: "logits" })).toEqual(
      await run.task.predict(texts, { output: "logits" }),
    );
    expect(loaded.labels).toEqual(["food", "sport", "weather"]);
  });

  it("is exported to a model that plain ONNX Runtime runs with the same logits", async () => {
    const target = join(folder, backbone);
    const { difference } = await run.task.exportOnnx(target);
    expect(difference.absolute).toBeLessThan(1e-4);
    const texts = part(3, 9).texts;
    const { preprocessor } = run.task;
    const arrays = preprocessor.collate(texts.map((text) => preprocessor.encode(text)));
    const inputs = Object.entries(arrays).map(([name, { data, shape }]) => {
      const outside = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      return [outside, { dtype: data instanceof Int32Array ? "int64" : "float32", data, shape }] as const;
    });
    const taken = inputs.filter(([name]) => backbone !== "text-cnn" || name !== "token_type_ids");
    const [outputs] = runPlainOnnxRuntimeOn(join(target, "onnx", "model.onnx"), [Object.fromEntries(taken)]);
    const logits = outputs!.logits!.data;
    const expected = (await run.task.predict(texts, { output: "logits" })).flat();
    expected.forEach((value, i) => expect(logits[i]).toBeCloseTo(value, 4));
  });
});

describe("a trained classifier", () => {
  let run: Awaited<ReturnType<typeof trained>>;
  beforeAll(async () => {
    run = await trained();
  }, 60_000);

  it("gives one answer for one text and many for many", async () => {
    const one = await run.task.predict("cloudy with rain and a storm");
    expect(one).toEqual({ label: "weather", score: expect.any(Number) as number, classId: 2 });
    const many = await run.task.predict(["tasty soup", "the coach saw a goal"], { topK: 2 });
    expect(many.map(([best]) => best!.label)).toEqual(["food", "sport"]);
    expect(await run.task.predict([])).toEqual([]);
    const probabilities = await run.task.predict("soup", { output: "probabilities" });
    expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });

  it("predicts without leaving tensors behind or leaving training mode", async () => {
    run.task.train();
    await run.task.predict("rain");
    const before = tf.memory().numTensors;
    await Promise.all([run.task.predict("soup"), run.task.predict("goal")]);
    expect(tf.memory().numTensors).toBe(before);
    expect(run.task.backbone.training).toBe(true);
  });

  it("reports on a part, and names the texts that look wrongly labelled", async () => {
    const { texts, targets } = part(60, 7);
    targets[4] = targets[4] === "food" ? "sport" : "food";
    const data = await TextClassificationData.fromLists({
      test: { texts, targets },
      labels: run.task.labels,
    });
    const report = await run.task.report(data);
    expect(report.hardest[0]).toMatchObject({ sample: texts[4], index: 4, target: targets[4] });
    expect(report.accuracy).toBeCloseTo(59 / 60, 5);
    expect(report.confusionMatrix.flat().reduce((a, b) => a + b)).toBe(60);
  });

  it("trains its head alone on features that are computed once", async () => {
    const { task, data } = await trained({}, 2);
    const before = await task.backbone.parameters()[0]!.data();
    await new Trainer({ ...quiet, maxEpochs: 2 }).finetune(task, data, { strategy: "freeze" });
    expect(await task.backbone.parameters()[0]!.data()).toEqual(before);
  });

  it("gives the same weights for the same seed", async () => {
    const [first, second] = [await trained({}, 1), await trained({}, 1)];
    const logits = (task: TextClassifier) => task.predict("rain", { output: "logits" });
    expect(await logits(first.task)).toEqual(await logits(second.task));
  });

  it("refuses what makes no sense", async () => {
    const { data } = run;
    expect(() => new TextClassifier({ data, backbone: "bag-of-words" })).toThrow(
      code("ERR_UNKNOWN_BACKBONE"),
    );
    expect(() => new TextClassifier({ labels: ["a", "b"] })).toThrow(code("ERR_NO_TRAINING_TEXTS"));
    expect(() => new TextClassifier({ data, classWeights: [1] })).toThrow(code("ERR_CLASSIFIER_OPTION"));
    expect(() => new TextClassifier({ data, focalGamma: 2, labelSmoothing: 0.1 })).toThrow(
      code("ERR_CLASSIFIER_OPTION"),
    );
    expect(() => new TextClassifier({ data, backbone: "text-cnn", maxLength: 1 })).toThrow(
      code("ERR_MAX_LENGTH"),
    );
    const other = await TextClassificationData.fromLists({
      train: { texts: ["a", "b"], targets: ["x", "y"] },
    });
    await expect(new Trainer(quiet).fit(run.task, other)).rejects.toThrow(code("ERR_LABELS_DIFFER"));
  });
});

it("logs accuracy, F1 and loss of the validation part", async () => {
  const { task, data } = await trained({}, 2);
  const trainer = new Trainer(quiet);
  await trainer.validate(task, data);
  const report = await task.report(data, { part: "val" });
  expect(trainer.callbackMetrics.val_accuracy).toBeCloseTo(report.accuracy, 5);
  expect(trainer.callbackMetrics.val_f1).toBeCloseTo(report.macroF1, 5);
  expect(trainer.callbackMetrics.val_loss).toBeCloseTo(report.loss, 2);
});

it("trains on odd texts: none, spaces, NUL, half of a surrogate pair, a megabyte", async () => {
  seedEverything(0);
  const odd = ["", "   ", "\u0000", "\ud83d", "👩‍👩‍👧", "word ".repeat(200_000), "rain", "soup"];
  const targets = odd.map((_, i) => (i % 2 === 0 ? "even" : "odd"));
  const train = { texts: odd, targets };
  const data = await TextClassificationData.fromLists({ train, val: train, batchSize: 4 });
  const task = new TextClassifier({ data, backbone: "text-cnn", maxLength: 32 });
  const trainer = new Trainer({ ...quiet, maxEpochs: 2 });
  await trainer.fit(task, data);
  expect(Number.isFinite(trainer.callbackMetrics.train_loss)).toBe(true);
  expect(Number.isFinite(trainer.callbackMetrics.val_loss)).toBe(true);
  // Cut off, and counted.
  expect(data.truncated.train).toEqual({ texts: 1, tokens: expect.any(Number) as number });
  expect(data.truncated.train!.tokens).toBeGreaterThan(199_000);
});

describe("several classes a text", () => {
  it("learns them, with weights and the focal loss", async () => {
    seedEverything(0);
    const { texts, targets } = part(240, 1);
    const both = texts.map((text, i) => `${text} ${texts[(i + 1) % texts.length]!}`);
    const lists = targets.map((target, i) => [...new Set([target, targets[(i + 1) % targets.length]!])]);
    const data = await TextClassificationData.fromLists({
      train: { texts: both, targets: lists },
      multiLabel: true,
      batchSize: 16,
    });
    const task = new TextClassifier({ data, classWeights: "balanced", focalGamma: 1 });
    await new Trainer({ ...quiet, maxEpochs: 10 }).fit(task, data);
    const { accuracy, confusionMatrix } = await task.report(data, { part: "train" });
    expect(accuracy).toBeGreaterThan(0.95);
    expect(confusionMatrix).toEqual([]);
  }, 60_000);
});

it("takes 10,000 classes", async () => {
  const texts = Array.from({ length: 10_000 }, (_, i) => `number ${i}`);
  const targets = texts.map((_, i) => `class ${i}`);
  const data = await TextClassificationData.fromLists({
    train: { texts, targets },
    val: { texts: texts.slice(0, 64), targets: targets.slice(0, 64) },
  });
  const task = new TextClassifier({ data });
  await new Trainer({ ...quiet, maxSteps: 2 }).fit(task, data);
  expect((await task.predict("number 77", { topK: 3 })).length).toBe(3);
}, 120_000);

it("is loaded by transformers.js as it is exported", async () => {
  const { task } = await trained({ backbone: "bert-tiny", maxLength: 32 }, 2);
  const target = join(folder, "for-transformers");
  await task.exportOnnx(target);
  const text = "there was rain and a storm";
  // In a process of its own: two runtimes of ONNX in one do not go together.
  const script = `
    import { env, pipeline } from "@huggingface/transformers";
    env.allowRemoteModels = false;
    const classify = await pipeline("text-classification", ${JSON.stringify(target)}, { dtype: "fp32" });
    console.log(JSON.stringify(await classify(${JSON.stringify(text)})));`;
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const [answer] = JSON.parse(printed.trim().split("\n").at(-1)!) as { label: string; score: number }[];
  const expected = await task.predict(text);
  expect(answer!.label).toBe(expected.label);
  expect(answer!.score).toBeCloseTo(expected.score, 4);
}, 120_000);
