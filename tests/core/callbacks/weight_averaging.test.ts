/** Averages of weights against the recurrences of the papers, on the weights that training went through. */
import * as tf from "@tensorflow/tfjs-core";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  EMAWeightAveraging,
  LambdaCallback,
  ModelCheckpoint,
  readCheckpoint,
  StochasticWeightAveraging,
  WeightAveraging,
  type Callback,
  type EMAWeightAveragingOptions,
  type StochasticWeightAveragingOptions,
} from "../../../src/core/index.js";
import { BatchNorm2d, LambdaLR, SGD } from "../../../src/nn/index.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";
import { data, quiet, temporaryFolder, weights } from "./support.js";

const folder = temporaryFolder();

type Vector = number[];
const mean = (vectors: Vector[]): Vector =>
  vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length);
const close = (actual: Vector, expected: Vector) => {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
};

/** Always the same weights to begin with. */
function startingModel(): BoringModel {
  const model = new BoringModel();
  tf.tidy(() => {
    model.layer.weight.assign(tf.fill(model.layer.weight.shape, 0.25));
    model.layer.bias!.assign(tf.zeros([2]));
  });
  return model;
}

/** Trains, and keeps the weights after each step and epoch as they were without averaging. */
async function train(callback: Callback | undefined, epochs = 3, options = {}) {
  const model = startingModel();
  const steps: Vector[] = [];
  const epochEnds: Vector[] = [];
  const validated: Vector[] = [];
  const rates: number[] = [];
  const watcher = new LambdaCallback({
    onTrainBatchStart: (trainer) => void rates.push(trainer.optimizer!.paramGroups[0]!.lr),
    onTrainBatchEnd: () => void steps.push(weights(model)),
    onTrainEpochEnd: () => void epochEnds.push(weights(model)),
    onValidationBatchStart: () => void validated.push(weights(model)),
  });
  const before = tf.memory().numTensors;
  const trainer = quiet({
    maxEpochs: epochs,
    callbacks: [...(callback ? [callback] : []), watcher],
    ...options,
  });
  await trainer.fit(model, data(2));
  expect(tf.memory().numTensors).toBe(before);
  return { model, steps, epochEnds, validated, rates, trainer };
}

describe("WeightAveraging", () => {
  it("is the mean of the weights after every step, in validation and at the end, and training does not see it", async () => {
    const plain = await train(undefined);
    const averaged = await train(new WeightAveraging());
    expect(averaged.steps).toEqual(plain.steps);
    close(averaged.validated[0]!, mean(plain.steps.slice(0, 2)));
    close(averaged.validated[2]!, mean(plain.steps));
    close(weights(averaged.model), mean(plain.steps));
    expect(weights(averaged.model)).not.toEqual(plain.steps.at(-1));
  });

  it("updates when shouldUpdate says so", async () => {
    class EachEpoch extends WeightAveraging {
      override shouldUpdate({ epochIdx }: { epochIdx?: number }): boolean {
        return epochIdx !== undefined;
      }
    }
    const { model, epochEnds } = await train(new EachEpoch());
    close(weights(model), mean(epochEnds));
  });

  it("saves the average as the weights, and goes on from the module's own", async () => {
    const path = join(folder.path, "half.safetensors");
    const save = new LambdaCallback({
      onTrainEpochEnd: async (trainer) => {
        if (trainer.currentEpoch === 1) await trainer.saveCheckpoint(path);
      },
    });
    const whole = await train(new EMAWeightAveraging({ decay: 0.5 }), 4, {});
    const model = startingModel();
    const options = { maxEpochs: 4, callbacks: [new EMAWeightAveraging({ decay: 0.5 }), save] };
    await quiet(options).fit(model, data(2));
    const { stateDict, extra } = await readCheckpoint(path);
    expect(Array.from(stateDict["layer.weight"]!.data)).toEqual(whole.validated[1]);
    expect(extra).toHaveProperty("EMAWeightAveraging.numAveraged", 4);
    const resumed = new BoringModel();
    const again = { maxEpochs: 4, callbacks: new EMAWeightAveraging({ decay: 0.5 }) };
    await quiet(again).fit(resumed, data(2), { ckptPath: path });
    expect(weights(resumed)).toEqual(weights(whole.model));
  });

  it("leaves the module its own weights, and no tensors, after a failure in validation", async () => {
    const model = new BoringModel();
    let own: Vector = [];
    model.onTrainBatchEnd = () => void (own = weights(model));
    model.onValidationBatchEnd = () => {
      throw new Error("on purpose");
    };
    const before = tf.memory().numTensors;
    const trainer = quiet({ maxEpochs: 1, callbacks: new WeightAveraging() });
    await expect(trainer.fit(model, data(2))).rejects.toThrow("on purpose");
    expect(weights(model)).toEqual(own);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("EMAWeightAveraging", () => {
  const run = async (options: EMAWeightAveragingOptions) => {
    const { model, steps, epochEnds } = await train(new EMAWeightAveraging(options), 3);
    return { result: weights(model), steps, epochEnds };
  };
  const ema = (values: Vector[], decay: number): Vector =>
    values.reduce((average, value) => average.map((old, i) => decay * old + (1 - decay) * value[i]!));

  it("keeps `decay` of the average at every step", async () => {
    const { result, steps } = await run({ decay: 0.75 });
    close(result, ema(steps, 0.75));
  });

  it("updates every n steps from a step on, and at epochs' ends from an epoch on", async () => {
    const { result, steps } = await run({ decay: 0.5, updateEveryNSteps: 2, updateStartingAtStep: 1 });
    close(result, ema([steps[2]!, steps[4]!], 0.5));
    const epochs = await run({ decay: 0.5, updateEveryNSteps: 0, updateStartingAtEpoch: 1 });
    close(epochs.result, ema([epochs.epochEnds[1]!, epochs.epochEnds[2]!], 0.5));
  });

  it.each([
    [{ decay: 1.5 }, "EMAWeightAveraging's decay must be a number from 0 to 1, not 1.5."],
    [{ updateEveryNSteps: 0.5 }, "updateEveryNSteps must be an integer >= 0, not 0.5."],
    [{ updateStartingAtEpoch: -1 }, "updateStartingAtEpoch must be an integer >= 0, not -1."],
  ])("refuses %j", (options, message) => {
    expect(() => new EMAWeightAveraging(options)).toThrow(message);
  });
});

describe("StochasticWeightAveraging", () => {
  it("averages the epochs from swaEpochStart on, at a learning rate that moves to swaLrs", async () => {
    const callback = new StochasticWeightAveraging({
      swaLrs: 0.02,
      swaEpochStart: 3,
      annealingEpochs: 2,
      annealingStrategy: "linear",
    });
    const { model, epochEnds, rates } = await train(callback, 5);
    close(weights(model), mean(epochEnds.slice(2)));
    // Two batches an epoch: 0.1 until epoch 2, halfway in epoch 3, there in epoch 4.
    const expected = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.06, 0.06, 0.02, 0.02];
    rates.forEach((lr, i) => expect(lr).toBeCloseTo(expected[i]!, 12));
  });

  it("moves along a cosine, over the scheduler's rates, from a share of the epochs", async () => {
    class Falling extends BoringModel {
      override configureOptimizers() {
        const optimizer = new SGD(this.parameters(), { lr: 0.1 });
        return { optimizer, lrScheduler: new LambdaLR(optimizer, (epoch) => 0.5 ** epoch) };
      }
    }
    const rates: number[] = [];
    const watcher = new LambdaCallback({
      onTrainBatchStart: (trainer) => void rates.push(trainer.optimizer!.paramGroups[0]!.lr),
    });
    const swa = new StochasticWeightAveraging({ swaLrs: [0.3], swaEpochStart: 0.5, annealingEpochs: 3 });
    await quiet({ maxEpochs: 4, callbacks: [swa, watcher] }).fit(new Falling(), { train: boringBatches(1) });
    // Begins in epoch 1 (the second) at 0.05: 0.3 a + 0.05 (1 - a) with a = (1 - cos(pi n / 3)) / 2 = 0, 0.25, 0.75.
    [0.1, 0.05, 0.1125, 0.2375].forEach((lr, i) => expect(rates[i]).toBeCloseTo(lr, 12));
  });

  it("gives batch norms the mean statistics of the training batches under the average", async () => {
    class WithNorm extends BoringModel {
      readonly norm = new BatchNorm2d(2);
      override forward(input: tf.Tensor): tf.Tensor {
        const output = this.layer.forward(input);
        return tf.reshape(this.norm.forward(tf.reshape(output, [-1, 1, 1, 2])), [-1, 2]);
      }
    }
    const model = new WithNorm();
    const swa = new StochasticWeightAveraging({ swaLrs: 0.1, swaEpochStart: 1 });
    await quiet({ maxEpochs: 2, callbacks: swa }).fit(model, data(3));
    // Layer's outputs of each batch, their mean and unbiased variance, averaged over the batches.
    const statistics = boringBatches(3).map(({ input }) =>
      tf.tidy(() => {
        const outputs = model.layer.forward(tf.tensor2d(input.data as Float32Array, [4, 32]));
        const { mean, variance } = tf.moments(outputs, 0);
        return [...mean.dataSync(), ...tf.mul(variance, 4 / 3).dataSync()];
      }),
    );
    close([...model.norm.runningMean.dataSync(), ...model.norm.runningVar.dataSync()], mean(statistics));
    expect(model.norm.momentum).toBe(0.1);
    expect(model.norm.numBatchesTracked.dataSync()[0]).toBe(3);
  });

  it("goes on averaging in a resumed fit", async () => {
    const path = join(folder.path, "half.safetensors");
    const swa = () => new StochasticWeightAveraging({ swaLrs: 0.02, swaEpochStart: 2, annealingEpochs: 1 });
    const save = new LambdaCallback({
      onTrainBatchEnd: async (trainer) => {
        if (trainer.globalStep === 5) await trainer.saveCheckpoint(path);
      },
    });
    const model = new BoringModel();
    await quiet({ maxEpochs: 4, callbacks: [swa(), save] }).fit(model, data(2));
    const resumed = new BoringModel();
    await quiet({ maxEpochs: 4, callbacks: swa() }).fit(resumed, data(2), { ckptPath: path });
    expect(weights(resumed)).toEqual(weights(model));
  });

  it("is the result of the fit beside a ModelCheckpoint with a monitor", async () => {
    const swa = new StochasticWeightAveraging({ swaLrs: 0.02, swaEpochStart: 1 });
    const best = new ModelCheckpoint({ monitor: "val_loss", mode: "max", dirpath: folder.path });
    const ends: Vector[] = [];
    const watcher = new LambdaCallback({
      onTrainEpochEnd: (_trainer, module) => void ends.push(weights(module as BoringModel)),
    });
    const model = new BoringModel();
    await quiet({ maxEpochs: 3, callbacks: [swa, best, watcher] }).fit(model, data(2));
    close(weights(model), mean(ends));
  });

  it.each<[Partial<StochasticWeightAveragingOptions>, string]>([
    [{ swaLrs: 0 }, "swaLrs must be a learning rate above 0 or one for each parameter group, not 0."],
    [
      { swaEpochStart: 1.5 },
      "swaEpochStart must be an epoch counted from 1, or a share of maxEpochs between 0 and 1, not 1.5.",
    ],
    [{ annealingEpochs: -1 }, "annealingEpochs must be an integer >= 0, not -1."],
    [
      { annealingStrategy: "exp" as never },
      'annealingStrategy cannot be "exp". Choose one of "cos", "linear".',
    ],
  ])("refuses %j", (options, message) => {
    expect(() => new StochasticWeightAveraging({ swaLrs: 0.1, ...options })).toThrow(message);
  });

  it("refuses training without end, and rates that do not fit the groups", async () => {
    const fit = (swaLrs: number[], options: object) =>
      quiet({ callbacks: new StochasticWeightAveraging({ swaLrs }), ...options }).fit(
        new BoringModel(),
        data(),
      );
    await expect(fit([0.1], { maxEpochs: -1, maxSteps: 2 })).rejects.toThrow(
      "needs a Trainer with maxEpochs",
    );
    await expect(fit([0.1, 0.2], { maxEpochs: 1 })).rejects.toThrow(
      "swaLrs must be one number or one for each of the 1 parameter groups, not [0.1,0.2].",
    );
  });
});
