/** What batch norms have in common, whichever way they are made: statistics that every batch of training moves. */
import type { RunningTensors } from "../engine/fused/batch_norm.js";
import type { AnyModule } from "./module.js";
import { ModuleBuffer } from "./parameter.js";

/** A module with the running mean and variance of what went through it. */
export interface RunningStatistics {
  /** Share of the batch's statistics in the running ones. */
  momentum: number;
  /** [channels] */
  readonly runningMean: ModuleBuffer;
  /** [channels] */
  readonly runningVar: ModuleBuffer;
  /** int32 []: how many batches have moved them. */
  readonly numBatchesTracked?: ModuleBuffer;
}

/** Whether a module is a batch norm: it has statistics that every training batch moves. */
export function hasRunningStatistics(module: AnyModule): module is AnyModule & RunningStatistics {
  const { momentum, runningMean, runningVar } = module as Partial<RunningStatistics>;
  return (
    typeof momentum === "number" && runningMean instanceof ModuleBuffer && runningVar instanceof ModuleBuffer
  );
}

/** Gives a module the statistics after a batch. */
export function moveTo(module: Required<RunningStatistics>, moved: Required<RunningTensors>): void {
  module.runningMean.assign(moved.mean);
  module.runningVar.assign(moved.variance);
  module.numBatchesTracked.assign(moved.batches);
}

/** The statistics of a module as they are before a batch. */
export function runningOf(module: Required<RunningStatistics>): Required<RunningTensors> {
  const { runningMean: mean, runningVar: variance, numBatchesTracked: batches } = module;
  return { mean, variance, batches };
}
