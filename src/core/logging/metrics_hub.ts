/** Collects what `log()` is given and offers it to monitors, progress bars and loggers. */
import { ConfigurationError } from "../../errors.js";
import { warnOnce } from "../../warn.js";
import type { MetricRecord } from "../types.js";
import type { MetricsState } from "./metrics_state.js";
import { addShares, type EpochShare, type Gather } from "./share_epoch.js";
import { batchSizesOf } from "./batch_size.js";
import { LazyScalar } from "./lazy_scalar.js";
import { LoggedMetric, type EpochMetric } from "./logged_metric.js";
import {
  DATALOADER_SUFFIX,
  resolveLog,
  type LoggingStage,
  type LogOptions,
  type ResolvedLog,
} from "./log_rules.js";

/** What can be logged: a number, a tensor of one element, or a metric. */
export type LogValue = number | EpochMetric | { readonly shape: readonly number[] };

/** The place of a loader among those of its stage. */
export interface DataloaderPlace {
  readonly index: number;
  readonly count: number;
}

type Published = Map<string, LazyScalar | number>;

export class MetricsHub {
  readonly #stages: Record<LoggingStage, Map<string, LoggedMetric>> = {
    train: new Map(),
    validate: new Map(),
    test: new Map(),
  };
  readonly #callback: Published = new Map();
  readonly #progressBar: Published = new Map();
  readonly #logged = new Map<string, number>();
  /** The host batch of the running step, for its size. */
  batch: unknown;
  /** Which of how many evaluation loaders the running batch is from; undefined in training. */
  dataloader: DataloaderPlace | undefined;
  /** With several ranks, how they tell each other what they have logged. */
  gather: Gather | undefined;
  /** The sanity check runs the validation code but leaves no numbers. */
  muted = false;

  /** The value of everything logged so far, under every name it has. Reading waits for the device. */
  get callbackMetrics(): MetricRecord {
    return read(this.#callback);
  }

  get progressBarMetrics(): MetricRecord {
    return read(this.#progressBar);
  }

  /** The last value of everything that went to the loggers. */
  get loggedMetrics(): MetricRecord {
    return Object.fromEntries(this.#logged);
  }

  /** Remembers what went to the loggers. */
  noteLogged(metrics: MetricRecord): void {
    for (const [name, value] of Object.entries(metrics)) this.#logged.set(name, value);
  }

  /** Forgets what earlier runs published. */
  beginRun(): void {
    this.#callback.clear();
    this.#logged.clear();
    this.#progressBar.clear();
    this.muted = false;
  }

  /**
   * What a checkpoint keeps. Reading waits for the device.
   *
   * @param isOpen whether the training epoch goes on
   */
  stateDict(isOpen: boolean): MetricsState {
    const openEpoch: MetricsState["openEpoch"] = {};
    for (const { name, log, epochSums: sums } of isOpen ? this.#stages.train.values() : []) {
      if (log.onEpoch && sums !== undefined) openEpoch[name] = { log: { ...log }, sums };
    }
    const { callbackMetrics, progressBarMetrics } = this;
    return { callbackMetrics, progressBarMetrics, openEpoch };
  }

  loadStateDict({ callbackMetrics, progressBarMetrics, openEpoch }: MetricsState): void {
    for (const [name, value] of Object.entries(callbackMetrics)) this.#callback.set(name, value);
    for (const [name, value] of Object.entries(progressBarMetrics)) this.#progressBar.set(name, value);
    for (const [name, { log, sums }] of Object.entries(openEpoch)) {
      this.#entry(name, log, "").epochSums = sums;
    }
  }

  log(hook: string | undefined, name: string, value: unknown, options: LogOptions): void {
    const metric = isEpochMetric(value) ? value : undefined;
    const log = resolveLog(hook, name, options, metric !== undefined);
    const entry = this.#entry(name, log, this.#suffix(log, options));
    if (metric !== undefined) {
      entry.recordMetric(metric);
      return;
    }
    const scalar = new LazyScalar(name, value);
    entry.record(scalar, this.#weight(name, log, options.batchSize));
    if (log.onStep) {
      this.#publish(entry, entry.stepName, scalar);
      if (log.onEpoch && log.stage === "train") this.#callback.set(entry.key, scalar);
    }
  }

  /** What the running step logged for the loggers. Reads the values. */
  stepMetrics(stage: LoggingStage): MetricRecord {
    const metrics: MetricRecord = {};
    for (const entry of this.#stages[stage].values()) {
      if (!entry.log.onStep || !entry.log.logger || entry.stepValue === undefined) continue;
      metrics[entry.stepName] = entry.stepValue.value;
    }
    return metrics;
  }

  endStep(stage: LoggingStage): void {
    for (const entry of this.#stages[stage].values()) entry.endStep();
  }

  /** Forgets what a step that has failed added to the training epoch. */
  dropStep(): void {
    for (const entry of this.#stages.train.values()) entry.dropStep();
  }

  /** Reads the epoch's values so that monitors and bars see them, and returns those for the loggers. */
  async publishEpoch(stage: LoggingStage): Promise<{ all: MetricRecord; logger: MetricRecord }> {
    const all: MetricRecord = {};
    const logger: MetricRecord = {};
    const shared = this.gather && (await this.#shareEpoch(stage, this.gather));
    for (const [key, entry] of this.#stages[stage]) {
      if (!entry.log.onEpoch) continue;
      const value = shared?.get(key) ?? (await entry.epochValue(readMetric));
      this.#publish(entry, entry.epochName, value);
      if (entry.log.onStep && !this.muted) this.#callback.set(entry.key, value);
      all[entry.epochName] = value;
      if (entry.log.logger) logger[entry.epochName] = value;
    }
    return { all, logger };
  }

  /** The values over the epoch of all ranks; a rank that logged less than others gets their entries. */
  async #shareEpoch(stage: LoggingStage, gather: Gather): Promise<Map<string, number>> {
    const own: [string, EpochShare][] = [];
    for (const [key, entry] of this.#stages[stage]) {
      if (entry.log.onEpoch) own.push([key, await entry.share()]);
    }
    const shares = addShares(await gather(own));
    const values = [...shares].map(([key, share]) => {
      const entry = this.#entry(share.name, share.log, share.suffix);
      return [key, entry.sharedValue(share, readMetric)] as const;
    });
    // Where a rank had no batches, it has no metric to compute with.
    const known = (await gather(values)).flat().filter(([, value]) => value !== undefined);
    return new Map(known.reverse() as [string, number][]);
  }

  /** Forgets the epoch of a stage, and frees its tensors. Published values stay as numbers. */
  endEpoch(stage: LoggingStage): void {
    for (const published of [this.#callback, this.#progressBar]) {
      for (const [name, value] of published) if (typeof value !== "number") published.set(name, value.value);
    }
    this.#clear(stage);
  }

  /** Frees everything after a failure, reading nothing. */
  discard(): void {
    for (const published of [this.#callback, this.#progressBar]) {
      for (const [name, value] of published) {
        if (typeof value === "number") continue;
        value.dispose();
        published.delete(name);
      }
    }
    for (const stage of ["train", "validate", "test"] as const) this.#clear(stage);
    this.dataloader = undefined;
    this.batch = undefined;
  }

  #clear(stage: LoggingStage): void {
    for (const entry of this.#stages[stage].values()) entry.reset();
    this.#stages[stage].clear();
  }

  /** What tells apart the values of one name that come from several loaders. */
  #suffix({ perBatch, stage }: ResolvedLog, { addDataloaderIdx = true }: LogOptions): string {
    const place = this.dataloader;
    const isOneOfSeveral = perBatch && stage !== "train" && place !== undefined && place.count > 1;
    return isOneOfSeveral && addDataloaderIdx ? `${DATALOADER_SUFFIX}${place.index}` : "";
  }

  #entry(name: string, log: ResolvedLog, suffix: string): LoggedMetric {
    const entries = this.#stages[log.stage];
    const key = name + suffix;
    const known = entries.get(key);
    if (known === undefined) {
      const entry = new LoggedMetric(name, suffix, log);
      entries.set(key, entry);
      return entry;
    }
    const changed: string[] = [];
    for (const key in log) {
      if (log[key as keyof ResolvedLog] !== known.log[key as keyof ResolvedLog]) changed.push(key);
    }
    if (changed.length > 0) {
      throw new ConfigurationError(
        "ERR_LOG_CONFLICT",
        `log(${JSON.stringify(name)}) was called twice in one epoch with different options (${changed.join(", ")}). ` +
          "Use the same options, or another name.",
      );
    }
    return known;
  }

  #weight(name: string, log: ResolvedLog, batchSize: number | undefined): number {
    if (batchSize !== undefined || !log.perBatch || !log.onEpoch || log.reduceFx !== "mean")
      return batchSize ?? 1;
    const [inferred, ...others] = batchSizesOf(this.batch);
    if (others.length > 0) {
      warnOnce(
        "WARN_LOG_BATCH_SIZE",
        `log(${JSON.stringify(name)}) weights the epoch's mean by batch size, and the arrays of the batch have different ` +
          `lengths (${[inferred, ...others].join(", ")}): the first is taken. ` +
          `Pass the right one: log(${JSON.stringify(name)}, value, { batchSize }).`,
      );
    }
    if (inferred !== undefined) return inferred;
    throw new ConfigurationError(
      "ERR_LOG_BATCH_SIZE",
      `log(${JSON.stringify(name)}) weights the epoch's mean by batch size, and the batch holds no array to read it from. ` +
        `Pass it: log(${JSON.stringify(name)}, value, { batchSize }).`,
    );
  }

  #publish(entry: LoggedMetric, name: string, value: LazyScalar | number): void {
    if (this.muted) return;
    this.#callback.set(name, value);
    if (entry.log.progBar) this.#progressBar.set(name, value);
  }
}

function readMetric(name: string, result: unknown): LazyScalar {
  return new LazyScalar(name, result);
}

function isEpochMetric(value: unknown): value is EpochMetric {
  const metric = value as Partial<EpochMetric> | null;
  return typeof metric?.compute === "function" && typeof metric.reset === "function";
}

function read(published: Published): MetricRecord {
  const entries = [...published].map(([name, value]) => [
    name,
    typeof value === "number" ? value : value.value,
  ]);
  return Object.fromEntries(entries) as MetricRecord;
}
