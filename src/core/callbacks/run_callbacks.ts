/** Which callbacks a run has: those given, the module's own, and the default ones, checkpoints last. */
import { ConfigurationError } from "../../errors.js";
import { BaseFinetuning } from "../finetuning/base_finetuning.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { ResolvedTrainerOptions } from "../trainer_options.js";
import type { Callback } from "./callback.js";
import { DefaultModelCheckpoint } from "./default_model_checkpoint.js";
import { EarlyStopping } from "./early_stopping.js";
import { ModelCheckpoint } from "./model_checkpoint.js";
import { ModelSummary } from "./model_summary.js";
import { ProgressBar } from "./progress_bar.js";
import { Timer } from "./timer.js";

/**
 * A module's callback replaces the Trainer's of the same class. A development run has no checkpoints and does not stop
 * early.
 *
 * @param finetuning comes first, so that the others see what it freezes
 * @throws ConfigurationError `ERR_CALLBACKS` where callbacks and options contradict each other
 */
export function runCallbacks(
  options: ResolvedTrainerOptions,
  module: AnyLightningModule,
  finetuning?: BaseFinetuning,
): Callback[] {
  const own = module.configureCallbacks();
  const given = options.callbacks.filter(
    (callback) => !own.some((other) => other.constructor === callback.constructor),
  );
  const callbacks: Callback[] = [...(finetuning === undefined ? [] : [finetuning]), ...given, ...own];
  refuseSecondFinetuning(callbacks);
  refuse(callbacks, ProgressBar, !options.enableProgressBar, "enableProgressBar: false");
  refuse(
    callbacks,
    ModelCheckpoint,
    !options.enableCheckpointing && !options.fastDevRun,
    "enableCheckpointing: false",
  );
  checkStateKeys(callbacks);
  if (options.enableProgressBar && !callbacks.some((callback) => callback instanceof ProgressBar)) {
    callbacks.push(new ProgressBar());
  }
  if (options.enableModelSummary && !callbacks.some((callback) => callback instanceof ModelSummary)) {
    callbacks.push(new ModelSummary());
  }
  if (options.maxTime !== undefined && !callbacks.some((callback) => callback instanceof Timer)) {
    callbacks.push(new Timer({ duration: options.maxTime }));
  }
  if (options.fastDevRun) {
    return callbacks.filter((one) => !(one instanceof ModelCheckpoint || one instanceof EarlyStopping));
  }
  const { monitor } = module;
  const hasCheckpoint = callbacks.some((callback) => callback instanceof ModelCheckpoint);
  if (options.enableCheckpointing && !hasCheckpoint && monitor !== undefined) {
    callbacks.push(new DefaultModelCheckpoint({ monitor: monitor.metric, mode: monitor.mode }));
  }
  const isCheckpoint = (callback: Callback) => callback instanceof ModelCheckpoint;
  return [...callbacks.filter((callback) => !isCheckpoint(callback)), ...callbacks.filter(isCheckpoint)];
}

/** Whether a callback writes to the terminal, which one rank does for all. */
export function showsProgress(callback: Callback): boolean {
  return callback instanceof ProgressBar || callback instanceof ModelSummary;
}

/** Each would freeze what the other frees. */
function refuseSecondFinetuning(callbacks: readonly Callback[]): void {
  const finetunings = callbacks.filter((callback) => callback instanceof BaseFinetuning);
  if (finetunings.length < 2) return;
  const names = finetunings.map(({ constructor }) => constructor.name).join(" and ");
  throw new ConfigurationError(
    "ERR_CALLBACKS",
    `A fit can have one finetuning, and this one has ${names}. Call fit with the callback, or finetune with a strategy.`,
  );
}

function refuse(
  callbacks: Callback[],
  kind: typeof ProgressBar | typeof ModelCheckpoint,
  off: boolean,
  option: string,
) {
  if (!off || !callbacks.some((callback) => callback instanceof kind)) return;
  throw new ConfigurationError(
    "ERR_CALLBACKS",
    `The Trainer was given a ${kind.name} and ${option}. Leave one of them out.`,
  );
}

/** Callbacks that save state need names of their own in checkpoints. */
function checkStateKeys(callbacks: readonly Callback[]): void {
  const seen = new Set<string>();
  for (const callback of callbacks) {
    if (!("stateDict" in callback)) continue;
    const { stateKey } = callback;
    if (seen.has(stateKey)) {
      throw new ConfigurationError(
        "ERR_CALLBACKS",
        `Two callbacks have the stateKey ${JSON.stringify(stateKey)}. Override stateKey so that each finds its own state.`,
      );
    }
    seen.add(stateKey);
  }
}
