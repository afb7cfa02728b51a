/** Takes a checkpoint of a running fit, and puts one back. */
import * as tf from "@tensorflow/tfjs-core";
import { CheckpointError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { hostToTensor } from "../../nn/parameter.js";
import { getGlobalGenerator, getGlobalSeed, seedEverything } from "../../random.js";
import { VERSION } from "../../version.js";
import type { DataModule } from "../data_module.js";
import { parametersOf } from "../gradients.js";
import type { LrSchedulerState } from "../../nn/index.js";
import type { Hooks } from "../hooks.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { MetricsHub } from "../logging/metrics_hub.js";
import type { FitLoop, LoopProgress } from "../loops/fit_loop.js";
import { toHost } from "../to_device.js";
import type { Checkpoint } from "./checkpoint.js";

/** What a fit consists of while it runs. */
export interface RunningFit {
  loop: FitLoop;
  metrics: MetricsHub;
  dataModule: DataModule;
}

/** @param fit undefined where only weights are saved */
export async function captureCheckpoint(
  hooks: Hooks,
  progress: LoopProgress,
  fit: RunningFit | undefined,
): Promise<Checkpoint> {
  const { module } = hooks;
  const checkpoint: Checkpoint = {
    kindlingVersion: VERSION,
    stateDict: await readWeights(module),
    progress,
    hparams: module.hparams,
    callbacks: {},
    random: { seed: getGlobalSeed(), state: [...(fit?.loop.randomState ?? getGlobalGenerator().state)] },
    extra: {},
  };
  if (fit !== undefined) await captureFit(checkpoint, hooks, fit);
  await hooks.callAll("onSaveCheckpoint", checkpoint);
  return checkpoint;
}

async function captureFit(
  checkpoint: Checkpoint,
  { callbacks }: Hooks,
  { loop, metrics, dataModule }: RunningFit,
): Promise<void> {
  checkpoint.optimizerStates = [];
  for (const optimizer of loop.optimizers) {
    checkpoint.optimizerStates.push(await toHost(optimizer.stateDict()));
  }
  checkpoint.lrSchedulers = loop.lrSchedulerConfigs.map(({ scheduler }) => scheduler.stateDict());
  if (loop.accumulatedBatches > 0) checkpoint.accumulation = await readAccumulation(loop);
  checkpoint.precision = loop.precision.stateDict();
  checkpoint.metrics = metrics.stateDict(loop.isEpochOpen);
  checkpoint.dataModule = { hparams: dataModule.hparams, state: dataModule.stateDict?.() };
  for (const callback of callbacks) {
    const state = callback.stateDict?.();
    if (state !== undefined) checkpoint.callbacks[callback.stateKey] = state;
  }
}

/** Copies a module's parameters and buffers to host memory. */
export async function readWeights(module: AnyLightningModule): Promise<Record<string, HostTensor>> {
  return (await toHost(module.stateDict())) as Record<string, HostTensor>;
}

/** By the parameter's number in the optimizer. */
async function readAccumulation(loop: FitLoop): Promise<NonNullable<Checkpoint["accumulation"]>> {
  const gradients = parametersOf(loop.optimizer).flatMap(({ grad }, i) =>
    grad === null ? [] : [[String(i), grad] as const],
  );
  return {
    batches: loop.accumulatedBatches,
    gradients: (await toHost(Object.fromEntries(gradients))) as Record<string, HostTensor>,
  };
}

/** The weights. The module sees the checkpoint first. */
export async function restoreWeights(hooks: Hooks, checkpoint: Checkpoint): Promise<void> {
  const { module } = hooks;
  await hooks.callHook(module, "onLoadCheckpoint", checkpoint);
  module.loadStateDict(checkpoint.stateDict, { strict: module.strictLoading });
}

/** Weights, data module and callbacks: what is restored before there is an optimizer. */
export async function restoreModule(
  hooks: Hooks,
  dataModule: DataModule,
  checkpoint: Checkpoint,
): Promise<void> {
  await restoreWeights(hooks, checkpoint);
  const { state } = checkpoint.dataModule ?? {};
  if (state !== undefined) dataModule.loadStateDict?.(state);
  await hooks.callCallbacks(hooks.callbacks, "onLoadCheckpoint", checkpoint);
  for (const callback of hooks.callbacks) {
    const state = checkpoint.callbacks[callback.stateKey];
    if (state !== undefined) callback.loadStateDict?.(state);
  }
}

/**
 * Optimizer, scheduler, waiting gradients, position, metrics and random numbers.
 *
 * @throws CheckpointError `ERR_CHECKPOINT_WEIGHTS_ONLY` where the checkpoint lacks them; `ERR_CHECKPOINT_EPOCH` where it
 *   is of a later epoch than this fit goes to
 */
export function restoreLoop({ loop, metrics }: RunningFit, checkpoint: Checkpoint, maxEpochs: number): void {
  const { optimizerStates, lrSchedulers = [], accumulation, progress } = checkpoint;
  if (optimizerStates === undefined) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_WEIGHTS_ONLY",
      "Training cannot go on from this checkpoint: it holds weights only, as it was saved when no fit was running or with weightsOnly. " +
        "Load them with module.loadStateDict and call fit without ckptPath to start anew from them.",
    );
  }
  if (maxEpochs >= 0 && progress.epoch > maxEpochs) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_EPOCH",
      `The checkpoint was saved after ${progress.epoch} epochs, and this fit ends after ${maxEpochs}. ` +
        `Give the Trainer maxEpochs of more than ${progress.epoch} to go on from it.`,
    );
  }
  loop.optimizers.forEach((optimizer, i) => optimizer.loadStateDict(optimizerStates[i] as never));
  restoreSchedulers(loop, lrSchedulers);
  if (accumulation !== undefined) restoreAccumulation(loop, accumulation);
  if (checkpoint.precision !== undefined) loop.precision.loadStateDict(checkpoint.precision);
  if (checkpoint.metrics !== undefined) metrics.loadStateDict(checkpoint.metrics);
  seedEverything(checkpoint.random.seed);
  loop.resume(progress, checkpoint.random.state);
}

function restoreAccumulation(
  loop: FitLoop,
  { batches, gradients }: NonNullable<Checkpoint["accumulation"]>,
): void {
  parametersOf(loop.optimizer).forEach((parameter, i) => {
    const gradient = gradients[i];
    if (gradient !== undefined) parameter.grad = tf.keep(hostToTensor(gradient));
  });
  loop.accumulatedBatches = batches;
}

function restoreSchedulers(loop: FitLoop, states: readonly unknown[]): void {
  const configs = loop.lrSchedulerConfigs;
  if (states.length !== configs.length) {
    throw new CheckpointError(
      "ERR_SCHEDULER_STATE",
      `The checkpoint has the state of ${states.length} schedulers, and configureOptimizers gave ${configs.length}. ` +
        "Configure them as they were when it was saved.",
    );
  }
  configs.forEach(({ scheduler }, i) => scheduler.loadStateDict(states[i] as LrSchedulerState));
}
