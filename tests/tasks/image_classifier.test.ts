/** ImageClassifier as a user meets it: training, predicting, saving, finetuning, and what it refuses. */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { IMAGENET_NORMALIZATION, type TrainableBackbone } from "../../src/backbones/index.js";
import { Trainer, type TrainerOptions } from "../../src/core/index.js";
import type { PixelData } from "../../src/data/index.js";
import { engine } from "../../src/engine/index.js";
import { Linear, Module } from "../../src/nn/index.js";
import { Generator, seedEverything } from "../../src/random.js";
import { ImageClassificationData } from "../../src/tasks/image/image_classification_data.js";
import { ImageClassifier } from "../../src/tasks/image/image_classifier.js";
import { splitPhotos } from "../../bench/photos.js";
import { describeShared } from "../support/shared.js";

const EDGE = 16;
const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

/** Stripes on noise, in any colour: `lying` runs along the rows, `standing` along the columns. */
function stripes(target: string, seed: number): PixelData {
  const random = new Generator(seed);
  const data = new Uint8Array(EDGE * EDGE * 3);
  const color = [0, 1, 2].map(() => random.between(60, 160));
  const phase = random.integer(4);
  for (let y = 0; y < EDGE; y++) {
    for (let x = 0; x < EDGE; x++) {
      const position = (target === "lying" ? y : x) + phase;
      for (let channel = 0; channel < 3; channel++) {
        const stripe = position % 4 < 2 ? 40 : -40;
        data[(y * EDGE + x) * 3 + channel] = color[channel]! + stripe + random.between(-30, 30);
      }
    }
  }
  return { data, width: EDGE, height: EDGE, channels: 3 };
}

function stripesPart(count: number, seed: number) {
  const targets = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? "lying" : "standing"));
  return { images: targets.map((target, i) => stripes(target, seed + i)), targets };
}

async function stripesData(): Promise<ImageClassificationData> {
  return ImageClassificationData.fromArrays({
    train: stripesPart(96, 0),
    val: stripesPart(32, 5000),
    batchSize: 16,
  });
}

async function trained(options: Partial<ConstructorParameters<typeof ImageClassifier>[0]> = {}) {
  seedEverything(3);
  const data = await stripesData();
  const task = new ImageClassifier({ data, imageSize: EDGE, ...options });
  const trainer = new Trainer({ ...quiet, maxEpochs: 6 });
  await trainer.fit(task, data);
  return { task, data, trainer };
}

async function temporaryFile(name: string): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), "kindling-")), name);
}

it("learns with balanced weights and the focal loss, and keeps the weights in its file", async () => {
  seedEverything(3);
  const { images, targets } = stripesPart(96, 0);
  const rare = targets.map((target, i) => target === "lying" || i % 6 === 1);
  const pick = <Item>(items: readonly Item[]) => items.filter((_, i) => rare[i]);
  const train = { images: pick(images), targets: pick(targets) };
  const data = await ImageClassificationData.fromArrays({ train, val: stripesPart(32, 5000), batchSize: 16 });
  const task = new ImageClassifier({ data, imageSize: EDGE, classWeights: "balanced", focalGamma: 1 });
  // 48 lying and 16 standing: 64 / (2 · 48) and 64 / (2 · 16), as scikit-learn balances them
  expect(task.hparams.classWeights).toEqual([2 / 3, 2]);
  const trainer = new Trainer({ ...quiet, maxEpochs: 6 });
  await trainer.fit(task, data);
  expect(trainer.callbackMetrics.val_f1).toBeGreaterThan(0.9);
  const path = await temporaryFile("balanced.kindling");
  await task.save(path);
  expect((await ImageClassifier.load(path)).hparams.classWeights).toEqual([2 / 3, 2]);
  expect(() => new ImageClassifier({ data, focalGamma: 1, mixupAlpha: 0.2 })).toThrow(
    code("ERR_CLASSIFIER_OPTION"),
  );
  expect(() => new ImageClassifier({ data, focalGamma: 1, labelSmoothing: 0.1 })).toThrow(
    code("ERR_CLASSIFIER_OPTION"),
  );
});

describe("a classifier trained from nothing", () => {
  let task: ImageClassifier;
  let accuracy: number;
  beforeAll(async () => {
    engine.resetStats();
    const run = await trained();
    task = run.task;
    accuracy = run.trainer.callbackMetrics.val_accuracy!;
  }, 60_000);

  it("learns, without a kernel on the slow path", () => {
    expect(accuracy).toBeGreaterThan(0.95);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("reports on a part, and names the picture that is wrongly labelled", async () => {
    const { images, targets } = stripesPart(20, 7000);
    const wrong = targets.with(6, targets[6] === "lying" ? "standing" : "lying");
    const test = { images, targets: wrong };
    const data = await ImageClassificationData.fromArrays({ test, labels: task.labels });
    const report = await task.report(data);
    expect(report.hardest[0]).toMatchObject({ sample: images[6], index: 6, target: wrong[6] });
    expect(report.confusionMatrix.flat().reduce((a, b) => a + b)).toBe(20);
    expect(report.accuracy).toBeLessThan(1);
    await expect(task.report(data, { part: "val" })).rejects.toThrow(code("ERR_PARTS"));
  });

  it("gives one answer for one picture and many for many", async () => {
    const one = await task.predict(stripes("standing", 9000));
    expect(one).toEqual({ label: "standing", score: expect.any(Number) as number, classId: 1 });
    const many = await task.predict([stripes("lying", 9001), stripes("standing", 9002)], { topK: 2 });
    expect(many.map((answer) => answer.map(({ label }) => label))).toEqual([
      ["lying", "standing"],
      ["standing", "lying"],
    ]);
    const probabilities = await task.predict(stripes("lying", 9003), { output: "probabilities" });
    expect(probabilities[0]! + probabilities[1]!).toBeCloseTo(1, 6);
  });

  it("answers as its own forward pass does, whatever the batch", async () => {
    const pictures = Array.from({ length: 35 }, (_, i) => stripes("lying", 100 + i));
    const together = await task.predict(pictures, { output: "logits" });
    const alone = await task.predict(pictures[34]!, { output: "logits" });
    alone.forEach((logit, i) => expect(together[34]![i]).toBeCloseTo(logit, 4));
  });

  it("compiles no graph of its own for every number of pictures, nor lets them change each other", async () => {
    const pictures = Array.from({ length: 8 }, (_, i) => stripes("standing", 200 + i));
    const all = await task.predict(pictures, { output: "logits" });
    const { compiles } = engine.stats();
    for (const count of [5, 6, 7]) {
      const some = await task.predict(pictures.slice(0, count), { output: "logits" });
      expect(some).toHaveLength(count);
      some.forEach((logits, i) => logits.forEach((value, k) => expect(value).toBeCloseTo(all[i]![k]!, 4)));
    }
    expect(engine.stats().compiles).toBe(compiles);
  });

  it("predicts without leaving tensors behind or leaving training mode", async () => {
    task.train();
    await task.predict(stripes("lying", 1));
    const before = tf.memory().numTensors;
    await task.predict(stripes("lying", 2));
    expect(tf.memory().numTensors).toBe(before);
    expect(task.backbone!.training).toBe(true);
  });

  it("is the same after it was saved and loaded", async () => {
    const path = await temporaryFile("stripes.kindling");
    await task.save(path);
    const loaded = await ImageClassifier.load(path);
    const picture = stripes("standing", 77);
    expect(await loaded.predict(picture, { output: "logits" })).toEqual(
      await task.predict(picture, { output: "logits" }),
    );
    expect(loaded.labels).toEqual(["lying", "standing"]);
    expect(loaded.input).toEqual(task.input);
    const data = await stripesData();
    const { val_accuracy } = await new Trainer(quiet).validate(loaded, data);
    expect(val_accuracy).toBe(accuracy);
  });

  it("refuses a damaged file, a missing one and one of another kind", async () => {
    const path = await temporaryFile("stripes.kindling");
    await task.save(path);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 5));
    await expect(ImageClassifier.load(path)).rejects.toThrow(code("ERR_SAFETENSORS_DAMAGED"));
    await expect(ImageClassifier.load(`${path}.gone`)).rejects.toThrow(code("ERR_TASK_FILE"));
  });

  it("refuses data with other classes", async () => {
    const data = await ImageClassificationData.fromArrays({
      train: { images: [stripes("lying", 1), stripes("lying", 2)], targets: ["cat", "dog"] },
    });
    await expect(new Trainer(quiet).fit(task, data)).rejects.toThrow(code("ERR_LABELS_DIFFER"));
  });
});

describe("training", () => {
  it("gives the same weights for the same seed", async () => {
    const logits = [];
    for (let run = 0; run < 2; run++) {
      const { task } = await trained({ mixupAlpha: 0.2, cutmixAlpha: 1, labelSmoothing: 0.1 });
      logits.push(await task.predict(stripes("lying", 4), { output: "logits" }));
    }
    expect(logits[0]).toEqual(logits[1]);
  });

  it("learns several labels at once only when asked to", async () => {
    seedEverything(1);
    const { images, targets } = stripesPart(96, 0);
    const data = await ImageClassificationData.fromArrays({
      train: { images, targets: targets.map((target) => [target, "striped"]) },
      val: { images: images.slice(0, 16), targets: targets.slice(0, 16).map((target) => [target]) },
      multiLabel: true,
      batchSize: 16,
    });
    const task = new ImageClassifier({ data, imageSize: EDGE });
    const trainer = new Trainer({ ...quiet, maxEpochs: 6 });
    await trainer.fit(task, data);
    const answer: unknown = await task.predict(stripes("standing", 400));
    expect((answer as { label: string }[]).map(({ label }) => label).sort()).toEqual(["standing", "striped"]);
    expect(trainer.callbackMetrics.val_accuracy).toBeGreaterThan(0.6);
  });

  it("trains only the head where the backbone is frozen", async () => {
    seedEverything(2);
    const data = await stripesData();
    const task = new ImageClassifier({ data, imageSize: EDGE });
    const values = () => Object.values(task.backbone!.stateDict()).map((tensor) => tensor.arraySync());
    const before = values();
    const head = task.head.weight.arraySync();
    await new Trainer({ ...quiet, maxEpochs: 2 }).finetune(task, data, { strategy: "freeze" });
    expect(values()).toEqual(before);
    expect(task.head.weight.arraySync()).not.toEqual(head);
  });

  it("trains the backbone from an epoch on, on augmented pictures, with freeze_unfreeze", async () => {
    seedEverything(2);
    const data = await stripesData();
    const task = new ImageClassifier({ data, imageSize: EDGE });
    const values = () => Object.values(task.backbone!.stateDict()).map((tensor) => tensor.arraySync());
    const before = values();
    const ends: unknown[] = [];
    task.onTrainEpochEnd = () => void ends.push(values());
    const options = { ...quiet, maxEpochs: 2, enableCheckpointing: false };
    await new Trainer(options).finetune(task, data, { strategy: ["freeze_unfreeze", 1] });
    expect(ends[0]).toEqual(before);
    expect(ends[1]).not.toEqual(before);
  });
});

describe("a backbone of one's own", () => {
  class Projection extends Module<tf.Tensor, tf.Tensor> {
    readonly linear = new Linear(3, 4);
    override forward(pixels: tf.Tensor): tf.Tensor {
      return this.linear.forward(tf.mean(pixels, [1, 2]));
    }
  }
  const backbone = (): TrainableBackbone => ({
    kind: "module",
    name: "projection",
    module: new Projection(),
    numFeatures: 4,
    input: { ...IMAGENET_NORMALIZATION, resize: { height: 8, width: 8 }, interpolation: "bilinear" },
    pretrained: false,
  });

  it("is saved with its weights, and asked for when the file is loaded", async () => {
    const task = new ImageClassifier({ labels: ["a", "b"], backbone: backbone() });
    const path = await temporaryFile("own.kindling");
    await task.save(path);
    await expect(ImageClassifier.load(path)).rejects.toThrow(code("ERR_BACKBONE_MISSING"));
    const loaded = await ImageClassifier.load(path, { backbone: backbone() });
    const options = { output: "logits" } as const;
    expect(await loaded.predict(stripes("lying", 1), options)).toEqual(
      await task.predict(stripes("lying", 1), options),
    );
  });
});

describe("options that cannot be used", () => {
  it.each([
    [{ labels: ["a"] }],
    [{ labels: ["a", "a"] }],
    [{ labels: ["a", "b"], classWeights: [1] }],
    [{ labels: ["a", "b"], labelSmoothing: 1 }],
    [{ labels: ["a", "b"], imageSize: 0 }],
    [{ labels: ["a", "b"], learningRate: -1 }],
    [{}],
  ])("%j", (options) => {
    expect(() => new ImageClassifier(options)).toThrow(code("ERR_CLASSIFIER_OPTION"));
  });
});

describeShared("models/mobilenet_v2", (folder) => {
  /** Eight training and two held-out photos of each of three classes. */
  function fewPhotos() {
    const { train, heldOut } = splitPhotos();
    const classes = ["butterfly", "grand_piano", "sunflower"];
    const take = ({ files, targets }: typeof train, count: number) => {
      const picked = classes.flatMap((name) =>
        targets.flatMap((target, i) => (target === name ? [i] : [])).slice(0, count),
      );
      return { files: picked.map((i) => files[i]!), targets: picked.map((i) => targets[i]!) };
    };
    return { train: take(train, 8), val: take(heldOut, 2) };
  }

  it("learns a head on frozen features, and saves both in one file", async () => {
    seedEverything(0);
    const data = await ImageClassificationData.fromFiles({ ...fewPhotos(), batchSize: 8 });
    const task = new ImageClassifier({ data, backbone: folder });
    const trainer = new Trainer({ ...quiet, maxEpochs: 8 });
    await trainer.finetune(task, data, { strategy: "freeze" });
    expect(trainer.callbackMetrics.val_accuracy).toBe(1);

    const path = await temporaryFile("photos.kindling");
    await task.save(path);
    const loaded = await ImageClassifier.load(path);
    const { files, targets } = fewPhotos().val;
    const answers = await loaded.predict(files);
    expect(answers.map(({ label }) => label)).toEqual(targets);
    expect(answers).toEqual(await task.predict(files));
  });

  it("trains the whole ONNX model, and saves it", async () => {
    seedEverything(0);
    const data = await ImageClassificationData.fromFiles({ ...fewPhotos(), batchSize: 8 });
    const task = new ImageClassifier({ data, backbone: folder, imageSize: 96 });
    const before = await task.backbone!.parameters()[0]!.data();
    const trainer = new Trainer({ ...quiet, maxEpochs: 4 });
    engine.resetStats();
    await trainer.finetune(task, data, { strategy: ["freeze_unfreeze", 2] });
    expect(engine.stats().fallbackKernels).toEqual({});
    expect(trainer.callbackMetrics.val_accuracy).toBeGreaterThan(0.8);
    expect(await task.backbone!.parameters()[0]!.data()).not.toEqual(before);

    const path = await temporaryFile("photos.kindling");
    await task.save(path);
    const loaded = await ImageClassifier.load(path);
    const { files } = fewPhotos().val;
    const answers = await task.predict(files, { output: "logits" });
    expect(await loaded.predict(files, { output: "logits" })).toEqual(answers);
  });

  it("keeps features on disk if asked", async () => {
    const cacheFeatures = await mkdtemp(join(tmpdir(), "kindling-"));
    const weights: number[][] = [];
    for (let run = 0; run < 2; run++) {
      seedEverything(0);
      const data = await ImageClassificationData.fromFiles({ ...fewPhotos(), batchSize: 8 });
      const task = new ImageClassifier({ data, backbone: folder, imageSize: 64, cacheFeatures });
      await new Trainer({ ...quiet, maxEpochs: 1 }).finetune(task, data, { strategy: "freeze" });
      weights.push(Array.from(await task.head.weight.data()));
      expect(await readdir(cacheFeatures)).toHaveLength(1);
    }
    expect(weights[1]).toEqual(weights[0]);
  });

  it("refuses to mix pictures in front of features that are kept", async () => {
    const data = await ImageClassificationData.fromFiles(fewPhotos());
    const task = new ImageClassifier({ data, backbone: folder, mixupAlpha: 1 });
    const finetune = new Trainer(quiet).finetune(task, data, { strategy: "freeze" });
    await expect(finetune).rejects.toThrow(code("ERR_CLASSIFIER_OPTION"));
  });
});
