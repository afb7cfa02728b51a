/** Whether a module can do what it is asked, before anything has begun. */
import { ConfigurationError } from "../errors.js";
import type { Stage } from "./data_module.js";
import type { AnyLightningModule } from "./lightning_module.js";
import type { ResolvedTrainerOptions } from "./trainer_options.js";

const needed = {
  fit: ["trainingStep", "configureOptimizers"],
  validate: ["validationStep"],
  test: ["testStep"],
  predict: ["predictStep"],
} as const satisfies Record<Stage, readonly string[]>;

/** Hooks that Lightning had until version 2, with what is called instead. */
const replaced: Record<string, string> = {
  trainingEpochEnd: "onTrainEpochEnd",
  validationEpochEnd: "onValidationEpochEnd",
  testEpochEnd: "onTestEpochEnd",
  predictEpochEnd: "onPredictEpochEnd",
};

/**
 * @throws ConfigurationError `ERR_STEP_MISSING` for a method that is needed; `ERR_HOOK_REPLACED` for one that is never
 *   called; `ERR_MANUAL_OPTIMIZATION` for options that mean nothing to a module that optimizes by itself
 */
export function checkModule(module: AnyLightningModule, fn: Stage, options: ResolvedTrainerOptions): void {
  const name = module.constructor.name;
  for (const method of needed[fn]) {
    if (typeof module[method] === "function") continue;
    throw new ConfigurationError("ERR_STEP_MISSING", `${name} has no ${method}, which ${fn} runs.`);
  }
  for (const [old, hook] of Object.entries(replaced)) {
    if (!(old in module)) continue;
    throw new ConfigurationError(
      "ERR_HOOK_REPLACED",
      `${name} has a method ${old}, which nothing calls. Name it ${hook}; it takes no outputs, so keep what it needs ` +
        "in a field.",
    );
  }
  if (fn === "fit" && !module.automaticOptimization) checkManual(name, options);
}

function checkManual(name: string, options: ResolvedTrainerOptions): void {
  const { gradientClipVal, accumulateGradBatches } = options;
  let problem: string | undefined;
  if (gradientClipVal !== undefined) {
    problem = `gradientClipVal: ${gradientClipVal}. Call this.clipGradients(optimizer, ${gradientClipVal}) in trainingStep`;
  } else if (accumulateGradBatches !== 1) {
    problem = `accumulateGradBatches: ${accumulateGradBatches}. Step the optimizer only when so many batches are done`;
  }
  if (problem === undefined) return;
  throw new ConfigurationError(
    "ERR_MANUAL_OPTIMIZATION",
    `${name} has automaticOptimization = false, and the Trainer was given ${problem} instead, or leave optimization to ` +
      "the Trainer.",
  );
}
