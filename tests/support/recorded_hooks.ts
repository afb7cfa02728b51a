/** Writes down every hook that the Trainer calls, with what it is given. */
import type { Callback, DataModule } from "../../src/core/index.js";
import type { BoringModel } from "./boring_model.js";

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

export const callbackHooks = [
  ...sharedHooks,
  "onSanityCheckStart",
  "onSanityCheckEnd",
  "onException",
  "stateDict",
  "loadStateDict",
];

export const moduleHooks = [
  ...sharedHooks,
  "prepareData",
  "configureData",
  "configureModel",
  "configureCallbacks",
  "configureOptimizers",
  "trainingStep",
  "validationStep",
  "testStep",
  "predictStep",
  "optimizerStep",
  "optimizerZeroGrad",
  "configureGradientClipping",
  "clipGradients",
  "lrSchedulerStep",
  "onBeforeBatchTransfer",
  "transferBatchToDevice",
  "onAfterBatchTransfer",
  "processDataloader",
  "onValidationModelZeroGrad",
  "onValidationModelEval",
  "onTestModelEval",
  "onPredictModelEval",
  "configureFinetuning",
];

export const dataHooks = [
  "prepareData",
  "setup",
  "teardown",
  "trainDataloader",
  "valDataloader",
  "testDataloader",
  "predictDataloader",
  "onException",
  "stateDict",
  "loadStateDict",
];

/**
 * Makes every one of these methods write down `letter.name(arguments)` before it runs: numbers and strings as they are,
 * everything else as `_`. The trainer and the module that callbacks are given are left out.
 */
export function recordHooks(
  events: string[],
  owner: BoringModel | DataModule | Callback,
  letter: string,
  names: readonly string[],
): void {
  const methods = owner as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  const isCallback = letter === "C" || letter === "K";
  for (const name of names) {
    const original = methods[name];
    methods[name] = (...args) => {
      const shown = isCallback && name.startsWith("on") ? args.slice(2) : args;
      const isSetUp = isCallback && (name === "setup" || name === "teardown");
      events.push(`${letter}.${name}(${(isSetUp ? args.slice(2) : shown).map(show).join(", ")})`);
      return original === undefined ? defaults[name]?.(args) : original.apply(owner, args);
    };
  }
}

/** What recorded hooks give that have no original. */
const defaults: Record<string, ((args: unknown[]) => unknown) | undefined> = {
  stateDict: () => ({ kept: 1 }),
};

function show(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  return value === undefined ? "undefined" : "_";
}
