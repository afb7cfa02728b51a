/** Logs how much data a run gets through in a second. */
import { ConfigurationError } from "../../errors.js";
import type { AnyLightningModule } from "../lightning_module.js";
import { batchSizesOf } from "../logging/batch_size.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";
import { requireLogger } from "./require_logger.js";
import { Throughput, type ThroughputOptions } from "./throughput.js";

/** Options of `ThroughputMonitor`. */
export interface ThroughputMonitorOptions extends ThroughputOptions {
  /** Samples in a host batch. Default: the length of its first array. */
  batchSizeFn?: (batch: unknown) => number;
  /** Items in a host batch, such as tokens, for `device/items_per_sec`. Default: not counted. */
  lengthFn?: (batch: unknown) => number;
  /** Floating-point operations of one batch, forward and backward, for `device/flops_per_sec`. Default: not counted. */
  flopsPerBatch?: number;
}

type TimedStage = "train" | "validate" | "test" | "predict";

interface Totals {
  throughput: Throughput;
  /** Seconds on the clock. */
  start: number;
  batches: number;
  samples: number;
  lengths: number;
}

/**
 * Logs `train/device/batches_per_sec`, `train/device/samples_per_sec`, … (and `validate/…`, `test/…`, `predict/…`) every
 * `logEveryNSteps`, with the totals `train/time` in seconds, `train/batches` and `train/samples`. Validation inside a fit
 * does not count as training time.
 */
export class ThroughputMonitor extends Callback {
  readonly #options: ThroughputMonitorOptions;
  readonly #stages = new Map<TimedStage, Totals>();
  #validationStart = 0;

  /** @throws ConfigurationError `ERR_THROUGHPUT` for a window of fewer than two batches */
  constructor(options: ThroughputMonitorOptions = {}) {
    super();
    this.#options = options;
    new Throughput(options);
  }

  /** @throws ConfigurationError `ERR_LOGGER_MISSING` */
  override setup(trainer: Trainer): void {
    requireLogger(trainer, "ThroughputMonitor");
    this.#stages.clear();
  }

  override onTrainStart(): void {
    this.#start("train");
  }

  override async onTrainBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    batch: unknown,
  ): Promise<void> {
    await this.#batchEnd(trainer, "train", batch);
  }

  override onValidationStart(trainer: Trainer): void {
    if (trainer.sanityChecking) return;
    this.#validationStart = seconds();
    this.#start("validate");
  }

  override async onValidationBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    batch: unknown,
  ): Promise<void> {
    if (!trainer.sanityChecking) await this.#batchEnd(trainer, "validate", batch);
  }

  override onValidationEnd(trainer: Trainer): void {
    const training = this.#stages.get("train");
    if (training !== undefined && !trainer.sanityChecking)
      training.start += seconds() - this.#validationStart;
  }

  override onTestStart(): void {
    this.#start("test");
  }

  override async onTestBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    batch: unknown,
  ): Promise<void> {
    await this.#batchEnd(trainer, "test", batch);
  }

  override onPredictStart(): void {
    this.#start("predict");
  }

  override async onPredictBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    batch: unknown,
  ): Promise<void> {
    await this.#batchEnd(trainer, "predict", batch);
  }

  #start(stage: TimedStage): void {
    const throughput = new Throughput(this.#options);
    this.#stages.set(stage, { throughput, start: seconds(), batches: 0, samples: 0, lengths: 0 });
  }

  async #batchEnd(trainer: Trainer, stage: TimedStage, batch: unknown): Promise<void> {
    const totals = this.#stages.get(stage)!;
    const { batchSizeFn = inferSize, lengthFn, flopsPerBatch } = this.#options;
    totals.batches++;
    totals.samples += batchSizeFn(batch);
    totals.lengths += lengthFn?.(batch) ?? 0;
    totals.throughput.update({
      time: seconds() - totals.start,
      batches: totals.batches,
      samples: totals.samples,
      ...(lengthFn === undefined ? {} : { lengths: totals.lengths }),
      ...(flopsPerBatch === undefined ? {} : { flops: flopsPerBatch * totals.batches }),
    });
    const { logEveryNSteps } = trainer.options;
    if (logEveryNSteps === 0 || totals.batches % logEveryNSteps !== 0) return;
    const metrics = Object.entries(totals.throughput.compute());
    await trainer.logToLoggers(
      Object.fromEntries(metrics.map(([name, value]) => [`${stage}/${name}`, value])),
    );
  }
}

/** @throws ConfigurationError `ERR_THROUGHPUT` where the batch does not tell */
function inferSize(batch: unknown): number {
  const sizes = batchSizesOf(batch);
  if (sizes.length === 1) return sizes[0]!;
  throw new ConfigurationError(
    "ERR_THROUGHPUT",
    "ThroughputMonitor cannot tell how many samples a batch has: it holds " +
      (sizes.length === 0 ? "no array" : `arrays of ${sizes.join(" and ")} rows`) +
      ". Pass batchSizeFn: (batch) => count.",
  );
}

function seconds(): number {
  return performance.now() / 1000;
}
