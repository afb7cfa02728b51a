/**
 * The complete order of hooks with their arguments, written out from Lightning's documentation: callbacks (C) first, then
 * the module (M); the data module is D, and K a callback that monitors.
 *
 * Differences to Lightning, all on purpose: loaders are requested before `configureOptimizers`, which so knows the number of
 * steps; batch hooks are given the batch in host memory, and `transferBatchToDevice` and `onAfterBatchTransfer` come after
 * them, as they are the first thing inside the step.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  Callback,
  DataModule,
  EarlyStopping,
  Trainer,
  type OptimizerConfiguration,
  type TrainerOptions,
} from "../../src/core/index.js";
import { LambdaLR, SGD } from "../../src/nn/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";
import { callbackHooks, dataHooks, moduleHooks, recordHooks } from "../support/recorded_hooks.js";

class PlainCallback extends Callback {}

class MonitoringCallback extends Callback {
  override get monitors(): boolean {
    return true;
  }
}

/** Two training batches an epoch, and one of everything else. */
function recorded<Model extends BoringModel>(
  { callbacks = [], ...options }: TrainerOptions = {},
  module: Model | BoringModel = new BoringModel(),
  trainBatches = 2,
) {
  const events: string[] = [];
  const data = DataModule.fromLoaders({
    train: boringBatches(trainBatches),
    val: boringBatches(1),
    test: boringBatches(1),
    predict: boringBatches(1),
  });
  const [plain, monitoring] = [new PlainCallback(), new MonitoringCallback()];
  recordHooks(events, module, "M", moduleHooks);
  recordHooks(events, data, "D", dataHooks);
  recordHooks(events, plain, "C", callbackHooks);
  // Its monitoring is all that is of interest.
  recordHooks(events, monitoring, "K", ["onTrainEpochEnd"]);
  const trainer = new Trainer({
    maxEpochs: 1,
    logger: false,
    enableProgressBar: false,
    enableModelSummary: false,
    enableCheckpointing: false,
    callbacks: [monitoring, plain, callbacks].flat(),
    ...options,
  });
  return { events, module, data, trainer };
}

const both = (event: string) => [`C.${event}`, `M.${event}`];

const begin = (fn: string) => [
  "M.configureCallbacks()",
  "D.prepareData()",
  "M.prepareData()",
  "M.configureData()",
  `D.setup("${fn}")`,
  ...both(`setup("${fn}")`),
  "M.configureModel()",
];
const end = (fn: string) => [`D.teardown("${fn}")`, ...both(`teardown("${fn}")`)];

const loaders = [
  "D.trainDataloader()",
  'M.processDataloader(_, "train")',
  "D.valDataloader()",
  'M.processDataloader(_, "validate")',
];

const toDevice = ["M.transferBatchToDevice(_, 0)", "M.onAfterBatchTransfer(_, 0)"];

/** One pass over the validation or test data of one batch. */
const evaluation = (stage: "Validation" | "Test") => [
  `M.on${stage}ModelEval()`,
  ...both(`on${stage}Start()`),
  ...both(`on${stage}EpochStart()`),
  "M.onBeforeBatchTransfer(_, 0)",
  ...both(`on${stage}BatchStart(_, 0, 0)`),
  ...toDevice,
  `M.${stage.toLowerCase()}Step(_, 0, 0)`,
  ...both(`on${stage}BatchEnd(undefined, _, 0, 0)`),
  ...both(`on${stage}EpochEnd()`),
  ...both(`on${stage}End()`),
];

const validation = ["M.onValidationModelZeroGrad()", ...evaluation("Validation")];
const sanityCheck = ["C.onSanityCheckStart()", ...evaluation("Validation"), "C.onSanityCheckEnd()"];

const zeroGrad = (epoch: number, batch: number) => [
  ...both("onBeforeZeroGrad(_)"),
  `M.optimizerZeroGrad(${epoch}, ${batch}, _)`,
];
const backward = [...both("onBeforeBackward(_)"), ...both("onAfterBackward()")];
const update = [
  ...both("onBeforeOptimizerStep(_)"),
  'M.configureGradientClipping(_, undefined, "norm")',
  'M.clipGradients(_, undefined, "norm")',
];

const batchStart = (batch: number) => [
  "M.onBeforeBatchTransfer(_, 0)",
  ...both(`onTrainBatchStart(_, ${batch})`),
];

const trainingBatch = (epoch: number, batch: number) => [
  ...batchStart(batch),
  ...toDevice,
  `M.optimizerStep(${epoch}, ${batch}, _, _)`,
  `M.trainingStep(_, ${batch})`,
  ...zeroGrad(epoch, batch),
  ...backward,
  ...update,
  ...both(`onTrainBatchEnd(_, _, ${batch})`),
];

const epochEnd = ["C.onTrainEpochEnd()", "M.onTrainEpochEnd()", "K.onTrainEpochEnd()"];

const epoch = (number: number) => [
  ...both("onTrainEpochStart()"),
  ...trainingBatch(number, 0),
  ...trainingBatch(number, 1),
  ...validation,
  ...epochEnd,
];

const fit = [
  ...begin("fit"),
  ...loaders,
  "M.configureOptimizers()",
  ...both("onFitStart()"),
  ...sanityCheck,
  ...both("onTrainStart()"),
  ...epoch(0),
  ...both("onTrainEnd()"),
  ...both("onFitEnd()"),
  ...end("fit"),
];

/** The events of training itself, from the first epoch to `onTrainEnd`. */
function training(events: readonly string[]): string[] {
  return events.slice(events.indexOf("C.onTrainEpochStart()"), events.indexOf("C.onTrainEnd()"));
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-hooks-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the order of hooks", () => {
  it("of fit with sanity check and validation", async () => {
    const { events, module, data, trainer } = recorded();
    await trainer.fit(module, data);
    expect(events).toEqual(fit);
  });

  it("of finetune: the strategy is set when the data are there, and before all callbacks", async () => {
    const { events, module, data, trainer } = recorded();
    await trainer.finetune(module, data, { strategy: "no_freeze" });
    const place = fit.indexOf('C.setup("fit")');
    expect(events).toEqual([...fit.slice(0, place), "M.configureFinetuning(_)", ...fit.slice(place)]);
  });

  it("with accumulation: gradients are zeroed and the optimizer steps once for each window", async () => {
    const { events, module, data, trainer } = recorded(
      { accumulateGradBatches: 2, numSanityValSteps: 0 },
      new BoringModel(),
      3,
    );
    await trainer.fit(module, data);
    const withoutUpdate = (batch: number) => [
      ...batchStart(batch),
      ...toDevice,
      `M.trainingStep(_, ${batch})`,
      ...zeroGrad(0, batch),
      ...backward,
      ...both(`onTrainBatchEnd(_, _, ${batch})`),
    ];
    const second = trainingBatch(0, 1).filter((event) => !zeroGrad(0, 1).includes(event));
    expect(training(events)).toEqual([
      ...both("onTrainEpochStart()"),
      ...withoutUpdate(0),
      ...second,
      ...trainingBatch(0, 2),
      ...validation,
      ...epochEnd,
    ]);
  });

  it("with schedulers: after the step, and after the last batch's, before its end hooks", async () => {
    class Scheduled extends BoringModel {
      interval: "step" | "epoch" = "step";
      override configureOptimizers(): OptimizerConfiguration {
        const optimizer = new SGD(this.parameters(), { lr: 1 });
        return {
          optimizer,
          lrScheduler: { scheduler: new LambdaLR(optimizer, () => 1), interval: this.interval },
        };
      }
    }
    for (const interval of ["step", "epoch"] as const) {
      const { events, module, data, trainer } = recorded({ numSanityValSteps: 0 }, new Scheduled());
      (module as Scheduled).interval = interval;
      await trainer.fit(module, data);
      const batch = (number: number) => {
        const whole = trainingBatch(0, number);
        const place = whole.indexOf(`C.onTrainBatchEnd(_, _, ${number})`);
        const steps = interval === "step" || number === 1 ? ["M.lrSchedulerStep(_, undefined)"] : [];
        return [...whole.slice(0, place), ...steps, ...whole.slice(place)];
      };
      expect(training(events)).toEqual([
        ...both("onTrainEpochStart()"),
        ...batch(0),
        ...batch(1),
        ...validation,
        ...epochEnd,
      ]);
    }
  });

  it("with validation within the epoch: after the batch's end hooks, and none at the epoch's end", async () => {
    const { events, module, data, trainer } = recorded({ valCheckInterval: 1, numSanityValSteps: 0 });
    await trainer.fit(module, data);
    expect(training(events)).toEqual([
      ...both("onTrainEpochStart()"),
      ...trainingBatch(0, 0),
      ...validation,
      ...trainingBatch(0, 1),
      ...validation,
      ...epochEnd,
    ]);
  });

  it("of a run that stops early: the epoch ends as always, and the next does not begin", async () => {
    const stopping = new EarlyStopping({ monitor: "val_loss", stoppingThreshold: Infinity });
    const { events, module, data, trainer } = recorded({ maxEpochs: 5, callbacks: stopping });
    await trainer.fit(module, data);
    expect(events).toEqual(fit);
    expect(stopping.stoppedEpoch).toBe(0);
  });

  it("of a run that a callback stops in the middle of an epoch: the state is validated", async () => {
    class Stop extends Callback {
      override onTrainBatchEnd(trainer: Trainer): void {
        trainer.shouldStop = true;
      }
    }
    const { events, module, data, trainer } = recorded({
      numSanityValSteps: 0,
      checkValEveryNEpoch: 9,
      callbacks: new Stop(),
    });
    await trainer.fit(module, data);
    expect(training(events)).toEqual([
      ...both("onTrainEpochStart()"),
      ...trainingBatch(0, 0),
      ...validation,
      ...epochEnd,
    ]);
  });

  it("where onTrainBatchStart returns -1: every callback is still asked, and the epoch ends", async () => {
    const module = new BoringModel();
    module.onTrainBatchStart = () => -1;
    const { events, data, trainer } = recorded({ numSanityValSteps: 0 }, module);
    await trainer.fit(module, data);
    expect(training(events)).toEqual([...both("onTrainEpochStart()"), ...batchStart(0), ...epochEnd]);
  });

  it("where trainingStep returns null: no gradients, no update, and its end hooks", async () => {
    const module = new BoringModel();
    module.trainingStep = () => null;
    const { events, data, trainer } = recorded({ numSanityValSteps: 0, limitTrainBatches: 1 }, module);
    await trainer.fit(module, data);
    expect(training(events)).toEqual([
      ...both("onTrainEpochStart()"),
      ...batchStart(0),
      ...toDevice,
      "M.optimizerStep(0, 0, _, _)",
      "M.trainingStep(_, 0)",
      ...both("onTrainBatchEnd(undefined, _, 0)"),
      ...validation,
      ...epochEnd,
    ]);
    expect(trainer.globalStep).toBe(0);
  });

  it("of manual optimization: backward and step where the module calls them, and no clipping", async () => {
    class Manual extends BoringModel {
      override automaticOptimization = false;
      override trainingStep(batch: Parameters<BoringModel["loss"]>[0]): void {
        const [optimizer] = this.optimizers();
        optimizer!.zeroGrad();
        this.manualBackward(() => this.loss(batch));
        optimizer!.step();
      }
    }
    const { events, module, data, trainer } = recorded({ numSanityValSteps: 0 }, new Manual());
    await trainer.fit(module, data);
    const batch = (number: number) => [
      ...batchStart(number),
      ...toDevice,
      `M.trainingStep(_, ${number})`,
      ...backward,
      ...both("onBeforeOptimizerStep(_)"),
      ...both(`onTrainBatchEnd(undefined, _, ${number})`),
    ];
    expect(training(events)).toEqual([
      ...both("onTrainEpochStart()"),
      ...batch(0),
      ...batch(1),
      ...validation,
      ...epochEnd,
    ]);
  });

  it("of validate and test", async () => {
    for (const [fn, stage, loader] of [
      ["validate", "Validation", "D.valDataloader()"],
      ["test", "Test", "D.testDataloader()"],
    ] as const) {
      const { events, module, data, trainer } = recorded();
      await trainer[fn](module, data);
      expect(events).toEqual([
        ...begin(fn),
        loader,
        `M.processDataloader(_, "${fn}")`,
        ...evaluation(stage),
        ...end(fn),
      ]);
    }
  });

  it("of predict", async () => {
    const { events, module, data, trainer } = recorded();
    await trainer.predict(module, data);
    expect(events).toEqual([
      ...begin("predict"),
      "D.predictDataloader()",
      'M.processDataloader(_, "predict")',
      "M.onPredictModelEval()",
      ...both("onPredictStart()"),
      ...both("onPredictEpochStart()"),
      "M.onBeforeBatchTransfer(_, 0)",
      ...both("onPredictBatchStart(_, 0, 0)"),
      ...toDevice,
      "M.predictStep(_, 0, 0)",
      ...both("onPredictBatchEnd(_, _, 0, 0)"),
      ...both("onPredictEpochEnd()"),
      ...both("onPredictEnd()"),
      ...end("predict"),
    ]);
  });

  it("of several loaders: one epoch, and the batches of one loader after those of another", async () => {
    const { events, module, trainer } = recorded();
    const batches = boringBatches(1);
    await trainer.validate(module, { val: [batches, batches].map(asynchronous) });
    const batch = (loader: number) => [
      `M.onBeforeBatchTransfer(_, ${loader})`,
      ...both(`onValidationBatchStart(_, 0, ${loader})`),
      `M.transferBatchToDevice(_, ${loader})`,
      `M.onAfterBatchTransfer(_, ${loader})`,
      `M.validationStep(_, 0, ${loader})`,
      ...both(`onValidationBatchEnd(undefined, _, 0, ${loader})`),
    ];
    const from = events.indexOf("M.onValidationEpochStart()") + 1;
    expect(events.slice(from, events.indexOf("C.onValidationEpochEnd()"))).toEqual([
      ...batch(0),
      ...batch(1),
    ]);
  });

  it("after an exception: onException, and neither teardown nor onFitEnd", async () => {
    const { events, module, data, trainer } = recorded({ numSanityValSteps: 0 });
    module.trainingStep = () => {
      throw new Error("on purpose");
    };
    await expect(trainer.fit(module, data)).rejects.toThrow("on purpose");
    expect(events).toEqual([
      ...fit.slice(0, fit.indexOf("C.onSanityCheckStart()")),
      ...both("onTrainStart()"),
      ...both("onTrainEpochStart()"),
      ...batchStart(0),
      ...toDevice,
      "M.optimizerStep(0, 0, _, _)",
      "C.onException(_)",
      "D.onException(_)",
    ]);
    expect(trainer.interrupted).toBe(true);
  });

  it("of saving a checkpoint, and of going on from it: the module sees it first", async () => {
    const path = join(folder, "broken.safetensors");
    const broken = recorded({ numSanityValSteps: 0 });
    const record = broken.module.onTrainBatchEnd!.bind(broken.module);
    broken.module.onTrainBatchEnd = async (...args) => {
      await record(...args);
      await broken.trainer.saveCheckpoint(path);
      throw new Error("the process dies");
    };
    await expect(broken.trainer.fit(broken.module, broken.data)).rejects.toThrow("dies");
    const saving = broken.events.slice(broken.events.indexOf("M.onTrainBatchEnd(_, _, 0)") + 1);
    expect(saving).toEqual([
      "D.stateDict()",
      "C.stateDict()",
      ...both("onSaveCheckpoint(_)"),
      "C.onException(_)",
      "D.onException(_)",
    ]);

    const { events, module, data, trainer } = recorded();
    await trainer.fit(module, data, { ckptPath: path });
    expect(events).toEqual([
      ...begin("fit"),
      "M.onLoadCheckpoint(_)",
      "D.loadStateDict(_)",
      "C.onLoadCheckpoint(_)",
      "C.loadStateDict(_)",
      ...loaders,
      "M.configureOptimizers()",
      ...both("onFitStart()"),
      ...both("onTrainStart()"),
      ...both("onTrainEpochStart()"),
      ...trainingBatch(0, 1),
      ...validation,
      ...epochEnd,
      ...both("onTrainEnd()"),
      ...both("onFitEnd()"),
      ...end("fit"),
    ]);
  });

  it("of reloading: the loaders are asked for anew, before the epoch and before validation", async () => {
    const { events, module, data, trainer } = recorded({
      maxEpochs: 3,
      numSanityValSteps: 0,
      reloadDataloadersEveryNEpochs: 2,
    });
    await trainer.fit(module, data);
    const [train, val] = [loaders.slice(0, 2), loaders.slice(2)];
    const third = [...train, ...epoch(2)];
    third.splice(third.indexOf("M.onValidationModelZeroGrad()") + 1, 0, ...val);
    expect(training(events)).toEqual([...epoch(0), ...epoch(1), ...third]);
  });
});

/** A list of batches as a loader that is read with `for await`. */
function asynchronous<Batch>(batches: readonly Batch[]): AsyncIterable<Batch> & { length: number } {
  return {
    length: batches.length,
    async *[Symbol.asyncIterator]() {
      yield* batches;
    },
  };
}
