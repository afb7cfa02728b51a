/** Takes a checkpoint of a running fit, and puts one back. */
import { getGlobalGenerator, getGlobalSeed, seedEverything } from "../../random.js";
import { CheckpointError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { LrSchedulerState } from "../../nn/index.js";
import type { Hooks } from "../hooks.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { FitLoop, LoopProgress } from "../loops/fit_loop.js";
import { toHost } from "../to_device.js";
import type { Checkpoint } from "./checkpoint.js";

/** @param loop undefined where only weights are saved */
export async function captureCheckpoint(
  hooks: Hooks,
  progress: LoopProgress,
  loop: FitLoop | undefined,
): Promise<Checkpoint> {
  const { module, callbacks } = hooks;
  const checkpoint: Checkpoint = {
    stateDict: await readWeights(module),
    progress,
    hparams: module.hparams,
    callbacks: {},
    random: { seed: getGlobalSeed(), state: [...getGlobalGenerator().state] },
    extra: {},
  };
  if (loop !== undefined) {
    checkpoint.optimizer = await toHost(loop.optimizer.stateDict());
    checkpoint.lrSchedulers = loop.lrSchedulerConfigs.map(({ scheduler }) => scheduler.stateDict());
    for (const callback of callbacks) {
      const state = callback.stateDict?.();
      if (state !== undefined) checkpoint.callbacks[callback.stateKey] = state;
    }
  }
  await hooks.callAll("onSaveCheckpoint", checkpoint);
  return checkpoint;
}

/** Copies a module's parameters and buffers to host memory. */
export async function readWeights(module: AnyLightningModule): Promise<Record<string, HostTensor>> {
  return (await toHost(module.stateDict())) as Record<string, HostTensor>;
}

/** Weights and callbacks: what is restored before there is an optimizer. The module sees the checkpoint first. */
export async function restoreModule(hooks: Hooks, checkpoint: Checkpoint): Promise<void> {
  const { module, callbacks } = hooks;
  await hooks.callHook(module, "onLoadCheckpoint", checkpoint);
  module.loadStateDict(checkpoint.stateDict);
  await hooks.callCallbacks(callbacks, "onLoadCheckpoint", checkpoint);
  for (const callback of callbacks) {
    const state = checkpoint.callbacks[callback.stateKey];
    if (state !== undefined) callback.loadStateDict?.(state);
  }
}

/**
 * Optimizer, scheduler, position and random numbers.
 *
 * @throws CheckpointError `ERR_CHECKPOINT_WEIGHTS_ONLY` where the checkpoint lacks them
 */
export function restoreLoop(loop: FitLoop, checkpoint: Checkpoint): void {
  if (checkpoint.optimizer === undefined) {
    throw new CheckpointError(
      "ERR_CHECKPOINT_WEIGHTS_ONLY",
      "Training cannot go on from this checkpoint: it holds weights only, as it was saved when no fit was running. " +
        "Load them with module.loadStateDict and call fit without ckptPath to start anew from them.",
    );
  }
  loop.optimizer.loadStateDict(checkpoint.optimizer as never);
  restoreSchedulers(loop, checkpoint.lrSchedulers ?? []);
  Object.assign(loop.progress, checkpoint.progress);
  seedEverything(checkpoint.random.seed);
  getGlobalGenerator().state = checkpoint.random.state;
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
