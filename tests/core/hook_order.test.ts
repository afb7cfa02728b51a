/** The complete order of hooks, written by hand after Lightning's documentation: callbacks first, then the module. */
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import { Callback, DataModule, Trainer } from "../../src/core/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const sharedHooks = [
  "setup",
  "teardown",
  "onFitStart",
  "onFitEnd",
  "onBeforeZeroGrad",
  "onBeforeBackward",
  "onAfterBackward",
  "onBeforeOptimizerStep",
  "onSaveCheckpoint",
  "onLoadCheckpoint",
  ...["Train", "Validation", "Test", "Predict"].flatMap((stage) =>
    ["Start", "End", "EpochStart", "EpochEnd", "BatchStart", "BatchEnd"].map((event) => `on${stage}${event}`),
  ),
];
const callbackHooks = [...sharedHooks, "onSanityCheckStart", "onSanityCheckEnd", "onException"];
const moduleHooks = [
  ...sharedHooks,
  "prepareData",
  "trainingStep",
  "validationStep",
  "testStep",
  "predictStep",
  "configureOptimizers",
  "configureCallbacks",
  "configureGradientClipping",
  "onBeforeBatchTransfer",
  "onAfterBatchTransfer",
  "processDataloader",
  "onValidationModelEval",
  "onTestModelEval",
  "onPredictModelEval",
  "configureFinetuning",
];
const dataHooks = [
  "prepareData",
  "setup",
  "teardown",
  "trainDataloader",
  "valDataloader",
  "testDataloader",
  "predictDataloader",
  "onException",
];

class MonitoringCallback extends Callback {
  override get monitors(): boolean {
    return true;
  }
}

class PlainCallback extends Callback {}

/** Makes every one of these methods write its name down before it runs. */
function record(events: string[], owner: object, letter: string, names: readonly string[]): void {
  const methods = owner as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  for (const name of names) {
    const original = methods[name];
    methods[name] = (...args) => {
      events.push(`${letter}.${name}`);
      return original?.apply(owner, args);
    };
  }
}

function recorded(trainerOptions = {}) {
  const events: string[] = [];
  const module = new BoringModel();
  const data = DataModule.fromLoaders({
    train: boringBatches(2),
    val: boringBatches(1),
    test: boringBatches(1),
    predict: boringBatches(1),
  });
  const [plain, monitoring] = [new PlainCallback(), new MonitoringCallback()];
  record(events, module, "M", moduleHooks);
  record(events, data, "D", dataHooks);
  record(events, plain, "C", callbackHooks);
  // Its monitoring is all that is of interest.
  record(events, monitoring, "K", ["onTrainEpochEnd"]);
  const trainer = new Trainer({
    maxEpochs: 1,
    logger: false,
    enableProgressBar: false,
    callbacks: [monitoring, plain],
    ...trainerOptions,
  });
  return { events, module, data, trainer };
}

const both = (name: string) => [`C.${name}`, `M.${name}`];

/** One pass over the validation or test data of one batch. */
const evaluation = (stage: "Validation" | "Test") => [
  `M.on${stage}ModelEval`,
  ...both(`on${stage}Start`),
  ...both(`on${stage}EpochStart`),
  "M.onBeforeBatchTransfer",
  ...both(`on${stage}BatchStart`),
  "M.onAfterBatchTransfer",
  `M.${stage.toLowerCase()}Step`,
  ...both(`on${stage}BatchEnd`),
  ...both(`on${stage}EpochEnd`),
  ...both(`on${stage}End`),
];

const trainingStep = [
  "M.onAfterBatchTransfer",
  "M.trainingStep",
  ...both("onBeforeZeroGrad"),
  ...both("onBeforeBackward"),
  ...both("onAfterBackward"),
  ...both("onBeforeOptimizerStep"),
  "M.configureGradientClipping",
];

const trainingBatch = [
  "M.onBeforeBatchTransfer",
  ...both("onTrainBatchStart"),
  ...trainingStep,
  ...both("onTrainBatchEnd"),
];

const beginning = ["M.configureCallbacks", "D.prepareData", "M.prepareData", "D.setup", ...both("setup")];
const ending = ["D.teardown", ...both("teardown")];
const preparation = [
  "D.trainDataloader",
  "M.processDataloader",
  "D.valDataloader",
  "M.processDataloader",
  "M.configureOptimizers",
];

// Two differences to Lightning: loaders are requested before configureOptimizers, so that it knows the number of steps;
// and onAfterBatchTransfer runs after the batch's start hooks, as it is the first thing inside the step.
const fit = [
  ...beginning,
  ...preparation,
  ...both("onFitStart"),
  "C.onSanityCheckStart",
  ...evaluation("Validation"),
  "C.onSanityCheckEnd",
  ...both("onTrainStart"),
  ...both("onTrainEpochStart"),
  ...trainingBatch,
  ...trainingBatch,
  ...evaluation("Validation"),
  "C.onTrainEpochEnd",
  "M.onTrainEpochEnd",
  "K.onTrainEpochEnd",
  ...both("onTrainEnd"),
  ...both("onFitEnd"),
  ...ending,
];

describe("the order of hooks", () => {
  it("of fit with sanity check and validation", async () => {
    const { events, module, data, trainer } = recorded();
    await trainer.fit(module, data);
    expect(events).toEqual(fit);
  });

  it("of finetune: the strategy is set before the loaders are requested", async () => {
    const { events, module, data, trainer } = recorded();
    await trainer.finetune(module, data, { strategy: "no_freeze" });
    const place = fit.indexOf("C.setup");
    expect(events).toEqual([...fit.slice(0, place), "M.configureFinetuning", ...fit.slice(place)]);
  });

  it("with accumulation: gradients are zeroed and the optimizer steps once for each window", async () => {
    const { events, module, data, trainer } = recorded({ accumulateGradBatches: 2, numSanityValSteps: 0 });
    await trainer.fit(module, data);
    const from = events.indexOf("M.onTrainEpochStart") + 1;
    const batch = (step: string[]) => [
      "M.onBeforeBatchTransfer",
      ...both("onTrainBatchStart"),
      "M.onAfterBatchTransfer",
      "M.trainingStep",
      ...step,
      ...both("onTrainBatchEnd"),
    ];
    const backward = [...both("onBeforeBackward"), ...both("onAfterBackward")];
    const update = [...both("onBeforeOptimizerStep"), "M.configureGradientClipping"];
    const expected = [
      ...batch([...both("onBeforeZeroGrad"), ...backward]),
      ...batch([...backward, ...update]),
    ];
    expect(events.slice(from, from + expected.length)).toEqual(expected);
  });

  it("of validate and test", async () => {
    for (const [fn, stage, loader] of [
      ["validate", "Validation", "D.valDataloader"],
      ["test", "Test", "D.testDataloader"],
    ] as const) {
      const { events, module, data, trainer } = recorded();
      await trainer[fn](module, data);
      expect(events).toEqual([...beginning, loader, "M.processDataloader", ...evaluation(stage), ...ending]);
    }
  });

  it("of predict", async () => {
    const { events, module, data, trainer } = recorded();
    await trainer.predict(module, data);
    expect(events).toEqual([
      ...beginning,
      "D.predictDataloader",
      "M.processDataloader",
      "M.onPredictModelEval",
      ...both("onPredictStart"),
      ...both("onPredictEpochStart"),
      "M.onBeforeBatchTransfer",
      ...both("onPredictBatchStart"),
      "M.onAfterBatchTransfer",
      "M.predictStep",
      ...both("onPredictBatchEnd"),
      ...both("onPredictEpochEnd"),
      ...both("onPredictEnd"),
      ...ending,
    ]);
  });

  it("after an exception: onException, and neither teardown nor onFitEnd", async () => {
    const { events, module, data, trainer } = recorded({ numSanityValSteps: 0 });
    module.trainingStep = () => {
      events.push("M.trainingStep");
      throw new Error("on purpose");
    };
    await expect(trainer.fit(module, data)).rejects.toThrow("on purpose");
    const from = events.indexOf("M.trainingStep");
    expect(events.slice(from)).toEqual(["M.trainingStep", "C.onException", "D.onException"]);
    expect(trainer.state.status).toBe("interrupted");
  });

  it("saves and loads a checkpoint: the module sees it first when loading", async () => {
    const { events, module, data, trainer } = recorded();
    await trainer.fit(module, data);
    events.length = 0;
    const path = `${(await import("node:os")).tmpdir()}/kindling-hooks-${process.pid}.safetensors`;
    await trainer.saveCheckpoint(path);
    expect(events).toEqual(both("onSaveCheckpoint"));
    events.length = 0;
    await expect(trainer.fit(module, data, { ckptPath: path })).rejects.toThrow("it holds weights only");
    expect(events.slice(beginning.length, beginning.length + 2)).toEqual([
      "M.onLoadCheckpoint",
      "C.onLoadCheckpoint",
    ]);
    (await import("node:fs")).rmSync(path);
  });
});
