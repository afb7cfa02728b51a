/** What a logger is: a place where metrics, hyperparameters and pictures go. */
import type { ModelCheckpoint } from "../callbacks/model_checkpoint.js";
import type { Awaitable, MetricRecord } from "../types.js";
import type { LoggableImage, LoggableValues } from "./image.js";

/** How a run ended, as loggers are told. */
export type RunStatus = "success" | "failed";

/**
 * Extend it for a place of your own: `name`, `version`, `logMetrics` and `logHyperparams` are enough. The Trainer waits for
 * what a method returns. Whatever one throws makes the run fail with a `LoggerError` that names the logger.
 */
export abstract class Logger {
  /** The name of the experiment. */
  abstract readonly name: string;
  /** Which run of the experiment this is. */
  abstract readonly version: number | string;

  /** Writes one row. @param step optimizer steps completed before the one that the metrics belong to */
  abstract logMetrics(metrics: MetricRecord, step: number): Awaitable<void>;

  /** Called once a fit, before training. */
  abstract logHyperparams(hparams: Readonly<Record<string, unknown>>): Awaitable<void>;

  /**
   * Histograms, pictures and texts, for loggers that have a place for them. They take the values at once, tensors included,
   * and may be called in steps. What goes wrong while writing is thrown by the next `logMetrics`, `save` or `finalize`.
   */
  logHistogram?(name: string, values: LoggableValues, step: number): void;
  logImage?(name: string, image: LoggableImage, step: number): void;
  logText?(name: string, text: string, step: number): void;

  /** The folder under which all experiments of this logger lie; undefined for one that has no files. */
  get saveDir(): string | undefined {
    return undefined;
  }

  /** The folder of this experiment, above those of its versions. */
  get rootDir(): string | undefined {
    return undefined;
  }

  /** The folder of this run. That of the Trainer's first logger with one is where checkpoints go. */
  get logDir(): string | undefined {
    return undefined;
  }

  /** What stands between the parts of a metric's name that group it with others. */
  get groupSeparator(): string {
    return "/";
  }

  /** The logger's own writer or client, for what only it can do. */
  get experiment(): unknown {
    return undefined;
  }

  /** Writes what is held back. */
  save(): Awaitable<void> {}

  /** The run has ended: writes or sends everything that is left. */
  finalize(_status: RunStatus): Awaitable<void> {
    return this.save();
  }

  /** A ModelCheckpoint has saved. Its `bestModelPath` and scores are known. */
  afterSaveCheckpoint(_checkpoint: ModelCheckpoint): Awaitable<void> {}
}

/** Metrics named `prefix-name`; as they are where the prefix is empty. */
export function withPrefix(metrics: MetricRecord, prefix: string): MetricRecord {
  if (prefix === "") return metrics;
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}-${name}`, value]));
}
