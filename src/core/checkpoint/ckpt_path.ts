/** Finds the checkpoint that `ckptPath` means. */
import { stat } from "node:fs/promises";
import { ConfigurationError } from "../../errors.js";
import type { Callback } from "../callbacks/callback.js";
import { ModelCheckpoint } from "../callbacks/model_checkpoint.js";
import type { Trainer } from "../trainer.js";

/**
 * A file, or "best": what the first ModelCheckpoint of this Trainer's last fit found best; or "last": the newest file
 * among those that callbacks or a signal left, and a start from the beginning where there is none.
 */
export type CkptPath = "best" | "last" | (string & {});

/**
 * @param fitCallbacks the callbacks of the Trainer's last fit
 * @returns undefined for "last" where there is none
 * @throws ConfigurationError `ERR_CKPT_PATH` where there is no best checkpoint, with the reason
 */
export async function findCheckpoint(
  ckptPath: CkptPath,
  trainer: Trainer,
  fitCallbacks: readonly Callback[],
): Promise<string | undefined> {
  if (ckptPath === "best") return bestCheckpoint(trainer, fitCallbacks);
  if (ckptPath === "last") return lastCheckpoint(trainer);
  return ckptPath;
}

function bestCheckpoint(trainer: Trainer, fitCallbacks: readonly Callback[]): string {
  const callback = [...fitCallbacks, ...trainer.callbacks].find((one) => one instanceof ModelCheckpoint);
  if (callback?.bestModelPath !== undefined) return callback.bestModelPath;
  throw new ConfigurationError(
    "ERR_CKPT_PATH",
    `ckptPath: "best" was asked for, but ${whyNoBest(trainer, callback)} Pass a file's path instead, ` +
      "or leave ckptPath out to take the module as it is.",
  );
}

function whyNoBest(trainer: Trainer, callback: ModelCheckpoint | undefined): string {
  if (trainer.options.fastDevRun) return "this Trainer has fastDevRun, which saves no checkpoints.";
  if (callback === undefined) {
    return "this Trainer has no ModelCheckpoint that would know it. Give it one: callbacks: new ModelCheckpoint({ monitor }).";
  }
  return "its ModelCheckpoint has saved none yet. Call fit first.";
}

async function lastCheckpoint(trainer: Trainer): Promise<string | undefined> {
  const found: { path: string; time: bigint }[] = [];
  for (const callback of trainer.callbacks) {
    for (const path of (await callback.findLastCheckpoints?.(trainer)) ?? []) {
      found.push({ path, time: (await stat(path, { bigint: true })).mtimeNs });
    }
  }
  const { interruptionPath } = trainer;
  const interrupted =
    interruptionPath && (await stat(interruptionPath, { bigint: true }).catch(() => undefined));
  if (interrupted) found.push({ path: interruptionPath, time: interrupted.mtimeNs });
  found.sort((a, b) => (a.time < b.time ? 1 : -1));
  return found[0]?.path;
}
