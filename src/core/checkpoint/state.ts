/** Takes a checkpoint of a running fit, and puts one back. */
import * as tf from "@tensorflow/tfjs-core";
import { CheckpointError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { hostToTensor } from "../../nn/parameter.js";
import { Generator, getGlobalGenerator, getGlobalSeed, seedEverything } from "../../random.js";
import { VERSION } from "../../version.js";
import type { DataModule } from "../data_module.js";
import { parametersOf } from "../gradients.js";
import type { LrSchedulerState, OptimizerState } from "../../nn/index.js";
import type { Hooks } from "../hooks.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { MetricsHub } from "../logging/metrics_hub.js";
import type { FitLoop, LoopProgress } from "../loops/fit_loop.js";
import type { Strategy } from "../strategies/index.js";
import { toHost } from "../to_device.js";
import type { Checkpoint } from "./checkpoint.js";

/** What a fit consists of while it runs. */
export interface RunningFit {
  loop: FitLoop;
  metrics: MetricsHub;
  dataModule: DataModule;
  strategy: Strategy;
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
    random: await readRandom(fit),
    extra: {},
  };
  if (fit !== undefined) await captureFit(checkpoint, hooks, fit);
  await hooks.callAll("onSaveCheckpoint", checkpoint);
  return checkpoint;
}

/** With several ranks each has a state of its own. */
async function readRandom(fit: RunningFit | undefined): Promise<Checkpoint["random"]> {
  const own = [...(fit?.loop.randomState ?? getGlobalGenerator().state)];
  const ranks = (await fit?.strategy.gatherObjects(own)) ?? [own];
  return { seed: getGlobalSeed(), state: ranks[0]!, ...(ranks.length === 1 ? {} : { ranks }) };
}

async function captureFit(
  checkpoint: Checkpoint,
  { callbacks }: Hooks,
  { loop, metrics, dataModule, strategy }: RunningFit,
): Promise<void> {
  checkpoint.optimizerStates = [];
  for (const optimizer of loop.optimizers) {
    checkpoint.optimizerStates.push(await toHost(await strategy.optimizerState(optimizer)));
  }
  checkpoint.world = worldOf(strategy, loop);
  checkpoint.lrSchedulers = loop.lrSchedulerConfigs.map(({ scheduler }) => scheduler.stateDict());
  if (loop.accumulatedBatches > 0) checkpoint.accumulation = await readAccumulation(loop, strategy);
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
async function readAccumulation(
  loop: FitLoop,
  strategy: Strategy,
): Promise<NonNullable<Checkpoint["accumulation"]>> {
  const gradients = parametersOf(loop.optimizer).flatMap(({ grad }, i) =>
    grad === null ? [] : [[String(i), grad] as const],
  );
  return {
    batches: loop.accumulatedBatches,
    gradients: await strategy.allReduce(
      (await toHost(Object.fromEntries(gradients))) as Record<string, HostTensor>,
      "mean",
    ),
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
export function restoreLoop(
  { loop, metrics, strategy }: RunningFit,
  checkpoint: Checkpoint,
  maxEpochs: number,
): void {
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
  loop.optimizers.forEach((optimizer, i) =>
    strategy.loadOptimizerState(optimizer, optimizerStates[i] as OptimizerState),
  );
  restoreSchedulers(loop, lrSchedulers);
  if (accumulation !== undefined) restoreAccumulation(loop, accumulation);
  if (checkpoint.precision !== undefined) loop.precision.loadStateDict(checkpoint.precision);
  if (checkpoint.metrics !== undefined) metrics.loadStateDict(checkpoint.metrics);
  seedEverything(checkpoint.random.seed);
  loop.resume(positionAmong(worldOf(strategy, loop), checkpoint), randomOf(strategy, checkpoint.random));
}

function worldOf(
  { worldSize: size }: Strategy,
  { trainBatchSize }: FitLoop,
): NonNullable<Checkpoint["world"]> {
  return { size, ...(trainBatchSize === undefined ? {} : { samplesPerBatch: trainBatchSize * size }) };
}

/** The state of this rank; with another number of ranks than before, one of its own that follows from rank 0's. */
function randomOf({ worldSize, globalRank }: Strategy, { state, ranks = [state] }: Checkpoint["random"]) {
  if (ranks.length === worldSize) return ranks[globalRank]!;
  return globalRank === 0 ? state : new Generator(...state, globalRank).state;
}

/**
 * The samples of an epoch come in one order for any number of ranks, so that training goes on behind those that were seen.
 *
 * @throws CheckpointError `ERR_RESUME_WORLD` where these are no whole number of batches of this many ranks
 */
function positionAmong(now: NonNullable<Checkpoint["world"]>, { progress, world }: Checkpoint): LoopProgress {
  const before = world?.samplesPerBatch;
  const after = now.samplesPerBatch;
  if (progress.batchInEpoch === 0 || world?.size === now.size || before === undefined || after === undefined)
    return progress;
  const samples = progress.batchInEpoch * before;
  if (samples % after === 0) return { ...progress, batchInEpoch: samples / after };
  throw new CheckpointError(
    "ERR_RESUME_WORLD",
    `The checkpoint was saved after ${samples} samples of an epoch, by ${world?.size ?? 1} ranks. ${now.size} ranks take ` +
      `${after} samples at once, of which that is no whole number. Use a number of ranks or a batch size whose product divides ` +
      `${samples}, or a checkpoint of an epoch's end.`,
  );
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
