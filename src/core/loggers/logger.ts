/** What a logger is: a place where metrics and hyperparameters go. */
import type { ModelCheckpoint } from "../callbacks/model_checkpoint.js";
import type { Awaitable, MetricRecord } from "../types.js";

/** The Trainer waits for what a logger returns; one that fails makes the run fail. */
export interface Logger {
  readonly name: string;
  readonly version: number | string;
  /** The folder of this run, for loggers that have one. Checkpoints go into it. */
  readonly logDir?: string;

  /** @param step optimizer steps completed before the one that the metrics belong to */
  logMetrics(metrics: MetricRecord, step: number): Awaitable<void>;
  /** Called once a fit, before training. */
  logHyperparams(hparams: Readonly<Record<string, unknown>>): Awaitable<void>;
  /** A ModelCheckpoint has saved. Its `bestModelPath` and scores are known. */
  afterSaveCheckpoint?(checkpoint: ModelCheckpoint): Awaitable<void>;
  /** The run has ended. */
  finalize(status: "success" | "failed"): Awaitable<void>;
}
