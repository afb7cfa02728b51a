/** EarlyStopping's thresholds, when it checks, and what it keeps. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EarlyStopping, type EarlyStoppingOptions } from "../../../src/core/index.js";
import { data, listen, quiet, Scored, temporaryFolder } from "./support.js";

const folder = temporaryFolder();

async function run(
  scores: readonly number[],
  options: Partial<EarlyStoppingOptions> = {},
  trainerOptions = {},
) {
  const callback = new EarlyStopping({ monitor: "score", ...options });
  const trainer = quiet({ maxEpochs: scores.length, callbacks: callback, ...trainerOptions });
  await trainer.fit(new Scored(scores), data());
  return { callback, trainer };
}

describe("training ends", () => {
  it.each([
    ["stoppingThreshold", { stoppingThreshold: 2 }, [3, 2, 1.5, 1], 3, "score reached 1.5, better than 2"],
    [
      "divergenceThreshold",
      { divergenceThreshold: 5, patience: 9 },
      [3, 5, 6, 1],
      3,
      "score reached 6, worse than 5",
    ],
    [
      "divergenceThreshold",
      { mode: "max" as const, divergenceThreshold: 5, patience: 9 },
      [9, 4, 9],
      2,
      "score reached 4, worse than 5",
    ],
    ["patienceExhausted", { patience: 1 }, [3, 3, 1], 2, "score did not improve in 1 checks; its best was 3"],
    ["nonFiniteMetric", {}, [3, -Infinity, 1], 2, "score is -Infinity"],
  ])("for %s %j", async (reason, options, scores, epochs, message) => {
    const { callback, trainer } = await run(scores, options);
    expect(trainer.currentEpoch).toBe(epochs);
    expect(callback.stoppingReason).toBe(reason);
    expect(callback.stoppingReasonMessage).toBe(message);
    expect(callback.stoppedEpoch).toBe(epochs - 1);
  });

  it("not otherwise", async () => {
    const { callback } = await run([3, 2, 1], { stoppingThreshold: 1, divergenceThreshold: 3 });
    expect(callback).toMatchObject({ stoppingReason: "notStopped", stoppedEpoch: undefined });
    expect(callback.stoppingReasonMessage).toBeUndefined();
  });
});

describe("checks", () => {
  it("are left out where the metric is missing and strict is false", async () => {
    const { trainer } = await run([1, 1], { monitor: "skore", strict: false });
    expect(trainer.currentEpoch).toBe(2);
    await expect(run([1], { monitor: "skore" })).rejects.toThrow("which was not logged");
  });

  it("are made after validations or at the end of every epoch, if asked", async () => {
    const every = { checkValEveryNEpoch: 2 };
    const scores = [1, 1, 1, 1, 1, 1, 1, 1];
    expect((await run(scores, { patience: 1 }, every)).trainer.currentEpoch).toBe(4);
    expect(
      (await run(scores, { patience: 1, checkOnTrainEpochEnd: false }, every)).trainer.currentEpoch,
    ).toBe(4);
    // The score of epoch 1 is there from then on.
    const always = { patience: 2, checkOnTrainEpochEnd: true, strict: false };
    expect((await run(scores, always, every)).trainer.currentEpoch).toBe(4);
  });

  it("follow each validation where that runs several times an epoch", async () => {
    const { trainer, callback } = await run([1, 1, 1], { patience: 2 }, { valCheckInterval: 1 });
    // Two validations an epoch: the third check is in the second epoch, and ends it after its first batch.
    expect(trainer.globalStep).toBe(3);
    expect(callback.stoppedEpoch).toBe(1);
  });

  it("say what they find with verbose", async () => {
    const { bar, text } = listen();
    const callback = new EarlyStopping({ monitor: "score", patience: 1, verbose: true });
    const trainer = quiet({ maxEpochs: 3, enableProgressBar: true, callbacks: [bar, callback] });
    await trainer.fit(new Scored([3, 2, 2]), data());
    expect(text()).toContain("EarlyStopping: score improved to 3.\n");
    expect(text()).toContain("EarlyStopping: score improved to 2, before 3.\n");
    expect(text()).toContain("EarlyStopping: score did not improve in 1 checks; its best was 2; stopping.\n");
  });
});

describe("a resumed fit", () => {
  it("goes on counting from the best score of before", async () => {
    const path = join(folder.path, "half.safetensors");
    const model = new Scored([1, 2]);
    model.onTrainEpochStart = async () => {
      if (model.currentEpoch === 1) await model.trainer.saveCheckpoint(path);
    };
    const stopping = () => new EarlyStopping({ monitor: "score", patience: 2 });
    await quiet({ maxEpochs: 2, callbacks: stopping() }).fit(model, data());
    const callback = stopping();
    const trainer = quiet({ maxEpochs: 9, callbacks: callback });
    await trainer.fit(new Scored([0, 2, 2, 2, 2]), data(), { ckptPath: path });
    expect(trainer.currentEpoch).toBe(3);
    expect(callback.bestScore).toBe(1);
    expect(callback.stateDict()).toMatchObject({
      waitCount: 2,
      bestScore: 1,
      stoppedEpoch: 2,
      stoppingReason: "patienceExhausted",
    });
  });

  it("keeps scores that JSON has no numbers for", () => {
    const callback = new EarlyStopping({ monitor: "score" });
    callback.loadStateDict({ waitCount: 1, bestScore: "-Infinity" });
    expect(callback.bestScore).toBe(-Infinity);
    expect(callback.stateDict()).toEqual({ waitCount: 1, bestScore: "-Infinity" });
  });
});

it.each([
  [{ patience: -1 }, "EarlyStopping's patience must be an integer >= 0, not -1."],
  [{ minDelta: -0.5 }, "EarlyStopping's minDelta must be a number >= 0, not -0.5."],
  [{ mode: "least" as never }, 'Choose one of "min", "max".'],
])("refuses %j", (options, message) => {
  expect(() => new EarlyStopping({ monitor: "score", ...options })).toThrow(message);
});
