/** What can be read off a Trainer: where it stands, what it runs, and how much there is of it. */
import { join } from "node:path";
import type { Optimizer } from "../nn/index.js";
import type { Callback } from "./callbacks/callback.js";
import { EarlyStopping } from "./callbacks/early_stopping.js";
import { GradientAccumulationScheduler } from "./callbacks/gradient_accumulation_scheduler.js";
import { ModelCheckpoint } from "./callbacks/model_checkpoint.js";
import { ProgressBar } from "./callbacks/progress_bar.js";
import type { LrSchedulerConfig } from "./configure_optimizers.js";
import type { BatchLoader, DataModule, Stage } from "./data_module.js";
import type { AnyLightningModule } from "./lightning_module.js";
import { MetricsHub } from "./logging/metrics_hub.js";
import type { Logger } from "./loggers/logger.js";
import type { FitLoop } from "./loops/fit_loop.js";
import type { Run } from "./run.js";
import type { InterruptSignal } from "./signals.js";
import type { ResolvedTrainerOptions } from "./trainer_options.js";
import type { MetricRecord } from "./types.js";

/** What a Trainer is doing. */
export interface TrainerState {
  /** What the Trainer was last asked to do. */
  fn: Stage | undefined;
  /** What it does now. */
  stage: "train" | "sanityCheck" | "validate" | "test" | "predict" | undefined;
  status: "initializing" | "running" | "finished" | "interrupted";
}

export abstract class TrainerStatus {
  abstract readonly options: Readonly<ResolvedTrainerOptions>;
  abstract readonly loggers: readonly Logger[];
  /** @internal */
  readonly metrics = new MetricsHub();
  /** The running run, or the last. */
  protected run: Run | undefined;
  /** The running fit, or the last. */
  protected loop: FitLoop | undefined;
  /** Validation batches of the sanity check. */
  protected sanityBatches = 0;

  get state(): TrainerState {
    const { run } = this;
    if (run === undefined) return { fn: undefined, stage: undefined, status: "initializing" };
    const { fn, status } = run;
    const stage = fn === "fit" ? (run.loop?.stage ?? "train") : fn;
    return { fn, stage: status === "running" ? stage : undefined, status };
  }

  /** Whether a fit runs and is not validating. */
  get training(): boolean {
    return this.state.stage === "train";
  }

  /** Whether validation runs, in a fit or alone. */
  get validating(): boolean {
    return this.state.stage === "validate";
  }

  get testing(): boolean {
    return this.state.stage === "test";
  }

  get predicting(): boolean {
    return this.state.stage === "predict";
  }

  get sanityChecking(): boolean {
    return this.state.stage === "sanityCheck";
  }

  /** Whether validation, the sanity check or testing runs. */
  get evaluating(): boolean {
    return this.validating || this.sanityChecking || this.testing;
  }

  /** Whether the last run ended with an error or a signal. */
  get interrupted(): boolean {
    return this.state.status === "interrupted";
  }

  /** The signal that asks the running run to end, or ended the last one. */
  get receivedSignal(): InterruptSignal | undefined {
    return this.run?.signals.received;
  }

  get receivedSigterm(): boolean {
    return this.receivedSignal === "SIGTERM";
  }

  /** The module that runs or ran last. */
  get lightningModule(): AnyLightningModule | undefined {
    return this.run?.hooks.module;
  }

  /** The data of the running or last run; loaders that were given alone are in one too. */
  get dataModule(): DataModule | undefined {
    return this.run?.hooks.dataModule;
  }

  /** The callbacks of the last run: those given, the default ones and the module's own. */
  get callbacks(): readonly Callback[] {
    return this.run?.hooks.callbacks ?? this.options.callbacks;
  }

  get checkpointCallbacks(): ModelCheckpoint[] {
    return this.callbacks.filter((callback) => callback instanceof ModelCheckpoint);
  }

  get checkpointCallback(): ModelCheckpoint | undefined {
    return this.checkpointCallbacks[0];
  }

  get earlyStoppingCallbacks(): EarlyStopping[] {
    return this.callbacks.filter((callback) => callback instanceof EarlyStopping);
  }

  get earlyStoppingCallback(): EarlyStopping | undefined {
    return this.earlyStoppingCallbacks[0];
  }

  get progressBarCallback(): ProgressBar | undefined {
    return this.callbacks.find((callback) => callback instanceof ProgressBar);
  }

  /** The first logger. */
  get logger(): Logger | undefined {
    return this.loggers[0];
  }

  /** With several ranks, rank 0's folder. */
  protected sharedLogDir: string | undefined;

  /** The first logger's folder, or `defaultRootDir`. */
  get logDir(): string {
    if (this.sharedLogDir !== undefined) return this.sharedLogDir;
    for (const { logDir } of this.loggers) if (logDir !== undefined) return logDir;
    return this.defaultRootDir;
  }

  get defaultRootDir(): string {
    return this.options.defaultRootDir;
  }

  /** Where a fit that a signal ends leaves its checkpoint; undefined where checkpoints are off. */
  get interruptionPath(): string | undefined {
    if (!this.options.enableCheckpointing) return undefined;
    return join(this.logDir, "checkpoints", "interrupted.safetensors");
  }

  /** Every metric logged so far with its last value, as monitors see it. Reading waits for the device. */
  get callbackMetrics(): MetricRecord {
    return this.metrics.callbackMetrics;
  }

  get progressBarMetrics(): MetricRecord {
    return this.metrics.progressBarMetrics;
  }

  /** The last value of every metric that went to the loggers in this run. */
  get loggedMetrics(): MetricRecord {
    return this.metrics.loggedMetrics;
  }

  get maxEpochs(): number {
    return this.options.maxEpochs;
  }

  get minEpochs(): number {
    return this.options.minEpochs;
  }

  get maxSteps(): number {
    return this.options.maxSteps;
  }

  get minSteps(): number {
    return this.options.minSteps;
  }

  /** Epochs completed in this fit: while one runs, its 0-based number. */
  get currentEpoch(): number {
    return this.loop?.progress.epoch ?? 0;
  }

  /** Optimizer steps in this fit; with several optimizers, those of each count. */
  get globalStep(): number {
    return this.loop?.progress.globalStep ?? 0;
  }

  /** Whether the running training batch is the last of its epoch. */
  get isLastBatch(): boolean {
    return this.loop?.isLastBatch ?? false;
  }

  /** The last epoch of this fit with validation, -1 before the first; undefined where there is no validation data. */
  get validatedEpoch(): number | undefined {
    return this.loop?.validatedEpoch;
  }

  /** Whether the fit has something to validate. */
  get enableValidation(): boolean {
    return this.validatedEpoch !== undefined;
  }

  /** The optimizers of the running fit. */
  get optimizers(): readonly Optimizer[] {
    return this.loop?.optimizers ?? [];
  }

  /** The first optimizer of the running fit. */
  get optimizer(): Optimizer | undefined {
    return this.optimizers[0];
  }

  /** The schedulers of the running fit, and when they are stepped. */
  get lrSchedulerConfigs(): readonly LrSchedulerConfig[] {
    return this.loop?.lrSchedulerConfigs ?? [];
  }

  /** The loader that training uses, once it has been requested. */
  get trainDataloader(): BatchLoader | undefined {
    return this.run?.sources.loaders("train")[0];
  }

  get valDataloaders(): readonly BatchLoader[] {
    return this.run?.sources.loaders("validate") ?? [];
  }

  get testDataloaders(): readonly BatchLoader[] {
    return this.run?.sources.loaders("test") ?? [];
  }

  get predictDataloaders(): readonly BatchLoader[] {
    return this.run?.sources.loaders("predict") ?? [];
  }

  /** Batches of one training epoch; Infinity where the loader does not tell. */
  get numTrainingBatches(): number {
    return this.run?.sources.total("train") ?? 0;
  }

  /** Batches of the sanity check, of all validation loaders together. */
  get numSanityValBatches(): number {
    return this.sanityBatches;
  }

  /** Batches of all validation loaders together. */
  get numValBatches(): number {
    return this.run?.sources.total("validate") ?? 0;
  }

  /** Batches of all test loaders together. */
  get numTestBatches(): number {
    return this.run?.sources.total("test") ?? 0;
  }

  /** Batches of all prediction loaders together. */
  get numPredictBatches(): number {
    return this.run?.sources.total("predict") ?? 0;
  }

  /** Optimizer steps that the fit will take unless it is stopped; Infinity where that cannot be known. */
  get estimatedSteppingBatches(): number {
    const { maxEpochs, maxSteps, accumulateGradBatches } = this.options;
    const schedule =
      this.callbacks.find((callback) => callback instanceof GradientAccumulationScheduler) ??
      new GradientAccumulationScheduler({ scheduling: { 0: accumulateGradBatches } });
    const byEpochs = schedule.steppingBatches(this.numTrainingBatches, maxEpochs);
    return maxSteps === -1 ? byEpochs : Math.min(byEpochs, maxSteps);
  }
}
