/** Metrics over several batches against NumPy. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import * as nn from "../../src/nn/index.js";
import { readGolden } from "./golden.js";

interface Goldens {
  single: {
    scores: number[][][];
    target: number[][];
    accuracy: number;
    top2: number;
    confusion: number[][];
    f1: number[];
    macro: number;
    micro: number;
  };
  multi: {
    probabilities: number[][][];
    target: number[][][];
    accuracy: number;
    f1: number[];
    macro: number;
    micro: number;
  };
}

const { single, multi } = readGolden<Goldens>("metrics");

type Updatable = Pick<nn.Metric<unknown>, "update">;

function feedSingle<M extends Updatable>(metric: M): M {
  single.scores.forEach((scores, i) =>
    metric.update(tf.tensor2d(scores), tf.tensor1d(single.target[i]!, "int32")),
  );
  return metric;
}

function feedMulti<M extends Updatable>(metric: M): M {
  multi.probabilities.forEach((preds, i) => metric.update(tf.tensor2d(preds), tf.tensor2d(multi.target[i]!)));
  return metric;
}

describe("single-label", () => {
  it("accuracy, top 1 and top 2", async () => {
    expect(await feedSingle(new nn.Accuracy({ numClasses: 5 })).compute()).toBeCloseTo(single.accuracy, 9);
    expect(await feedSingle(new nn.Accuracy({ numClasses: 5, topK: 2 })).compute()).toBeCloseTo(
      single.top2,
      9,
    );
  });

  it("confusion matrix", async () => {
    expect(await feedSingle(new nn.ConfusionMatrix({ numClasses: 5 })).compute()).toEqual(single.confusion);
  });

  it("F1, by class and averaged", async () => {
    const f1 = await feedSingle(new nn.F1Score({ numClasses: 5, average: "none" })).compute();
    f1.forEach((score, i) => expect(score).toBeCloseTo(single.f1[i]!, 9));
    expect(await feedSingle(new nn.F1Score({ numClasses: 5 })).compute()).toBeCloseTo(single.macro, 9);
    expect(await feedSingle(new nn.F1Score({ numClasses: 5, average: "micro" })).compute()).toBeCloseTo(
      single.micro,
      9,
    );
  });

  it("takes class indices for scores", async () => {
    const accuracy = new nn.Accuracy({ numClasses: 3 });
    accuracy.update(tf.tensor1d([0, 2, 1, 1], "int32"), tf.tensor1d([0, 1, 1, 1], "int32"));
    expect(await accuracy.compute()).toBe(0.75);
  });

  it("refuses a class index that is no class", async () => {
    const matrix = new nn.ConfusionMatrix({ numClasses: 3 });
    matrix.update(tf.tensor1d([0, 2], "int32"), tf.tensor1d([0, 3], "int32"));
    await expect(matrix.compute()).rejects.toMatchObject({ code: "ERR_CLASS_INDEX" });
  });
});

describe("multi-label", () => {
  const options = { numClasses: 4, multiLabel: true };

  it("accuracy", async () => {
    expect(await feedMulti(new nn.Accuracy(options)).compute()).toBeCloseTo(multi.accuracy, 9);
  });

  it("F1, by label and averaged", async () => {
    const f1 = await feedMulti(new nn.F1Score({ ...options, average: "none" })).compute();
    f1.forEach((score, i) => expect(score).toBeCloseTo(multi.f1[i]!, 9));
    expect(await feedMulti(new nn.F1Score(options)).compute()).toBeCloseTo(multi.macro, 9);
    expect(await feedMulti(new nn.F1Score({ ...options, average: "micro" })).compute()).toBeCloseTo(
      multi.micro,
      9,
    );
  });

  it("moves with the threshold", async () => {
    const accuracy = new nn.Accuracy({ ...options, threshold: 2 });
    const wanted = multi.target.flat(2);
    const negatives = wanted.filter((value) => value === 0).length;
    expect(await feedMulti(accuracy).compute()).toBeCloseTo(negatives / wanted.length, 9);
  });
});

describe("MeanMetric", () => {
  it("weighs numbers and tensors", async () => {
    const mean = new nn.MeanMetric();
    mean.update(2, 3);
    mean.update(tf.tensor1d([1, 5]));
    expect(await mean.compute()).toBeCloseTo((2 * 3 + 1 + 5) / 5, 6);
  });

  it("is NaN before the first value", async () => {
    expect(await new nn.MeanMetric().compute()).toBeNaN();
  });
});

describe("every metric", () => {
  const makers: [
    string,
    () => Updatable & { compute(): Promise<unknown>; reset(): void },
    typeof feedSingle,
  ][] = [
    ["Accuracy", () => new nn.Accuracy({ numClasses: 5 }), feedSingle],
    ["Accuracy, top 2", () => new nn.Accuracy({ numClasses: 5, topK: 2 }), feedSingle],
    ["ConfusionMatrix", () => new nn.ConfusionMatrix({ numClasses: 5 }), feedSingle],
    ["F1Score", () => new nn.F1Score({ numClasses: 5 }), feedSingle],
    ["F1Score, multi-label", () => new nn.F1Score({ numClasses: 4, multiLabel: true }), feedMulti],
  ];

  it.each(makers)(
    "%s reads nothing in update, starts anew after reset and frees all",
    async (_name, make, feed) => {
      const tensors = tf.memory().numTensors;
      const metric = make();
      const { runs } = engine.stats();
      tf.tidy(() => void feed(metric));
      expect(engine.stats().runs).toBe(runs);
      const once = await metric.compute();
      tf.tidy(() => void feed(metric));
      metric.reset();
      expect(tf.memory().numTensors).toBe(tensors);
      tf.tidy(() => void feed(metric));
      expect(await metric.compute()).toEqual(once);
      metric.reset();
      expect(tf.memory().numTensors).toBe(tensors);
      expect(engine.stats().fallbackKernels).toEqual({});
    },
  );

  it.each<[string, () => unknown, string]>([
    ["scores of another width", () => feedSingle(new nn.Accuracy({ numClasses: 6 })), "ERR_SHAPE"],
    ["multi-label targets", () => feedMulti(new nn.F1Score({ numClasses: 4 })), "ERR_SHAPE"],
    [
      "single-label targets",
      () => feedSingle(new nn.F1Score({ numClasses: 5, multiLabel: true })),
      "ERR_SHAPE",
    ],
    ["topK above the classes", () => new nn.Accuracy({ numClasses: 3, topK: 4 }), "ERR_TOP_K"],
  ])("refuses %s", (_name, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }) as Error);
  });
});
