/** A callback made of functions, for what is too small for a class. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import { Callback } from "./callback.js";

/** Any of a Callback's hooks by name. */
export type CallbackHooks = Partial<Omit<Callback, "stateKey" | "monitors" | "findLastCheckpoints">>;

/** The names of all hooks, checked against the type. */
const HOOKS: Record<keyof CallbackHooks, true> = {
  setup: true,
  teardown: true,
  tune: true,
  onFitStart: true,
  onFitEnd: true,
  onSanityCheckStart: true,
  onSanityCheckEnd: true,
  onTrainStart: true,
  onTrainEnd: true,
  onTrainEpochStart: true,
  onTrainEpochEnd: true,
  onTrainBatchStart: true,
  onTrainBatchEnd: true,
  onValidationStart: true,
  onValidationEnd: true,
  onValidationEpochStart: true,
  onValidationEpochEnd: true,
  onValidationBatchStart: true,
  onValidationBatchEnd: true,
  onTestStart: true,
  onTestEnd: true,
  onTestEpochStart: true,
  onTestEpochEnd: true,
  onTestBatchStart: true,
  onTestBatchEnd: true,
  onPredictStart: true,
  onPredictEnd: true,
  onPredictEpochStart: true,
  onPredictEpochEnd: true,
  onPredictBatchStart: true,
  onPredictBatchEnd: true,
  onBeforeZeroGrad: true,
  onBeforeBackward: true,
  onAfterBackward: true,
  onBeforeOptimizerStep: true,
  onException: true,
  stateDict: true,
  loadStateDict: true,
  onSaveCheckpoint: true,
  onLoadCheckpoint: true,
};

/** `new LambdaCallback({ onTrainEpochEnd: (trainer) => report(trainer.callbackMetrics) })`. */
export class LambdaCallback extends Callback {
  /** @throws ConfigurationError `ERR_HOOK_NAME` for a name that is no hook's, or a hook that is no function */
  constructor(hooks: CallbackHooks) {
    super();
    for (const [name, hook] of Object.entries(hooks) as [string, unknown][]) {
      if (Object.hasOwn(HOOKS, name) && typeof hook === "function") continue;
      throw new ConfigurationError(
        "ERR_HOOK_NAME",
        `LambdaCallback was given ${JSON.stringify(name)}, which is no hook with a function. ` +
          describeChoices(name, Object.keys(HOOKS)),
      );
    }
    Object.assign(this, hooks);
  }
}
