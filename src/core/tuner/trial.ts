/** Trains a few steps and leaves everything as it was: weights, modes, random numbers, position in the data. */
import type { AnyModule } from "../../nn/index.js";
import { getGlobalGenerator, getGlobalSeed, seedEverything } from "../../random.js";
import type { Callback } from "../callbacks/callback.js";
import { readWeights } from "../checkpoint/state.js";
import type { DataModule } from "../data_module.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { TrainerOptions } from "../trainer_options.js";

/** Options without which a trial is silent and leaves no files. */
export const QUIET = {
  logger: false,
  enableProgressBar: false,
  enableCheckpointing: false,
  enableModelSummary: false,
  numSanityValSteps: 0,
  fastDevRun: false,
  barebones: false,
  profiler: undefined,
} satisfies TrainerOptions;

/**
 * Trains with the Trainer's own options. Neither its callbacks and loggers nor the module's own callbacks take part, there
 * is no validation, and schedulers are not stepped. The module and its data must be set up.
 *
 * @returns the batches of an epoch
 */
export async function trial(
  trainer: Trainer,
  module: AnyLightningModule,
  dataModule: DataModule,
  { maxSteps, callbacks = [] }: { maxSteps: number; callbacks?: Callback[] },
): Promise<number> {
  const limits = { maxSteps, maxEpochs: -1, minEpochs: 0, minSteps: 0, maxTime: undefined };
  const own = trainer.withOptions({ ...QUIET, ...limits, callbacks });
  const restore = await snapshot(module);
  try {
    await own.trial(module, dataModule);
    return own.numTrainingBatches;
  } finally {
    restore();
  }
}

/** @returns what puts everything back */
async function snapshot(module: AnyLightningModule): Promise<() => void> {
  const weights = await readWeights(module);
  const modes: [AnyModule, boolean][] = [];
  for (const [, inner] of module.namedModules()) modes.push([inner, inner.training]);
  const seed = getGlobalSeed();
  const random = [...getGlobalGenerator().state];
  return () => {
    module.loadStateDict(weights);
    for (const [inner, training] of modes) inner.training = training;
    seedEverything(seed);
    getGlobalGenerator().state = random;
  };
}
