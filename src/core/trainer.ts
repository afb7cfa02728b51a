/** The Trainer: runs a LightningModule on data, from the first hook to the last, and frees what the run made. */
import { join } from "node:path";
import { ConfigurationError } from "../errors.js";
import type { Optimizer } from "../nn/index.js";
import type { Callback } from "./callbacks/callback.js";
import { runCallbacks } from "./callbacks/run_callbacks.js";
import { EarlyStopping } from "./callbacks/early_stopping.js";
import { GradientAccumulationScheduler } from "./callbacks/gradient_accumulation_scheduler.js";
import { ModelCheckpoint } from "./callbacks/model_checkpoint.js";
import { ProgressBar } from "./callbacks/progress_bar.js";
import { readCheckpoint, writeCheckpoint } from "./checkpoint/checkpoint.js";
import { captureCheckpoint, restoreLoop, restoreModule } from "./checkpoint/state.js";
import { readOptimizers } from "./configure_optimizers.js";
import { DataModule, type Loaders, type Stage } from "./data_module.js";
import { DataSources } from "./data_sources.js";
import { Hooks } from "./hooks.js";
import type { AnyLightningModule, Finetunable } from "./lightning_module.js";
import type { LogOptions } from "./logging/log_rules.js";
import { MetricsHub, type LogValue } from "./logging/metrics_hub.js";
import { CsvLogger } from "./loggers/csv_logger.js";
import type { Logger } from "./loggers/logger.js";
import { EvaluationLoop } from "./loops/evaluation_loop.js";
import { FitLoop, startOfTraining } from "./loops/fit_loop.js";
import { PredictionLoop } from "./loops/prediction_loop.js";
import {
  resolveTrainerOptions,
  type ResolvedTrainerOptions,
  type TrainerOptions,
} from "./trainer_options.js";
import type { MetricRecord } from "./types.js";

export interface FitOptions {
  /** A checkpoint to go on from: weights, optimizer, position and random numbers. */
  ckptPath?: string;
}

export interface SaveCheckpointOptions {
  /** Leaves out all but the weights and hyperparameters, so that training cannot go on from it. Default: false. */
  weightsOnly?: boolean;
}

export interface FinetuneOptions extends FitOptions {
  /** Which layers train, in the module's own words. Default: "no_freeze", all of them. */
  strategy?: string;
}

export interface TrainerState {
  /** What the Trainer was last asked to do. */
  fn: Stage | undefined;
  stage: "train" | "sanityCheck" | "validate" | "test" | "predict" | undefined;
  status: "initializing" | "running" | "finished" | "interrupted";
}

type Data = DataModule | Loaders;

export class Trainer {
  readonly options: Readonly<ResolvedTrainerOptions>;
  readonly loggers: readonly Logger[];
  readonly state: TrainerState = { fn: undefined, stage: undefined, status: "initializing" };
  /** Set it to true to end training after the running batch. */
  shouldStop = false;
  /** Batches averaged for the next optimizer steps. A fit starts with the option's; a callback may change it at an epoch's start. */
  accumulateGradBatches: number;
  /** The checkpoint that this fit went on from. */
  ckptPath: string | undefined;
  /** @internal */
  readonly metrics = new MetricsHub();
  #hooks: Hooks | undefined;
  #sources: DataSources | undefined;
  #loop: FitLoop | undefined;
  /** The loop while it has its optimizer: until a fit's last hook, `onException` included. */
  #liveLoop: FitLoop | undefined;
  #numSanityValBatches = 0;

  /** @throws ConfigurationError `ERR_TRAINER_OPTION` for an unknown option or a value it cannot have */
  constructor(options: TrainerOptions = {}) {
    this.options = resolveTrainerOptions(options);
    this.accumulateGradBatches = this.options.accumulateGradBatches;
    const { logger, defaultRootDir } = this.options;
    if (typeof logger !== "boolean") this.loggers = [logger].flat();
    else this.loggers = logger ? [new CsvLogger({ saveDir: join(defaultRootDir, "kindling_logs") })] : [];
  }

  /**
   * Trains a module. Each call starts at epoch 0 with a new optimizer, and from the weights the module has.
   *
   * @param data a data module, or loaders: `{ train, val }`
   */
  async fit(module: AnyLightningModule, data: Data, options: FitOptions = {}): Promise<void> {
    await this.#run("fit", module, data, (run) => this.#fit(run, options));
  }

  /**
   * Trains a module that freezes a part of itself first.
   *
   * @throws ConfigurationError `ERR_FINETUNE_UNSUPPORTED` for a module that has no `configureFinetuning`, and the
   * module's own error for a strategy that it cannot do
   */
  async finetune(
    module: AnyLightningModule & Partial<Finetunable>,
    data: Data,
    { strategy = "no_freeze", ...options }: FinetuneOptions = {},
  ): Promise<void> {
    if (typeof module.configureFinetuning !== "function") {
      throw new ConfigurationError(
        "ERR_FINETUNE_UNSUPPORTED",
        `${module.constructor.name} cannot be finetuned with strategy ${JSON.stringify(strategy)}: it has no method ` +
          "configureFinetuning(strategy) that says which layers are its backbone. Add one, or call fit.",
      );
    }
    await this.#run("fit", module, data, async (run) => {
      await run.hooks.callHook(module, "configureFinetuning", strategy);
      await this.#fit(run, options);
    });
  }

  /** @returns every metric logged over the validation data */
  async validate(module: AnyLightningModule, data: Data): Promise<MetricRecord> {
    return this.#run("validate", module, data, (run) => this.#evaluate(run, "validate"));
  }

  /** @returns every metric logged over the test data */
  async test(module: AnyLightningModule, data: Data): Promise<MetricRecord> {
    return this.#run("test", module, data, (run) => this.#evaluate(run, "test"));
  }

  /**
   * @returns what `predictStep` gives, in host memory, one entry for each sample: batches of tensors are cut along their
   * first axis
   */
  async predict(module: AnyLightningModule, data: Data): Promise<unknown[]> {
    return this.#run("predict", module, data, async (run) => {
      const source = await run.sources.require("predict", "predict");
      return new PredictionLoop(run.hooks).run(source);
    });
  }

  /**
   * Saves the module that runs or ran last. While a fit runs, the file holds all that training needs to go on; afterwards
   * the optimizer is gone and it holds the weights.
   *
   * @throws ConfigurationError `ERR_NO_MODULE` before the first run
   */
  async saveCheckpoint(path: string, { weightsOnly = false }: SaveCheckpointOptions = {}): Promise<void> {
    const hooks = this.#hooks;
    if (hooks === undefined) {
      throw new ConfigurationError(
        "ERR_NO_MODULE",
        "saveCheckpoint was called before this Trainer had a module to save. Call fit first.",
      );
    }
    const progress = this.#loop?.resumePoint ?? startOfTraining();
    const loop = weightsOnly ? undefined : this.#liveLoop;
    await writeCheckpoint(path, await captureCheckpoint(hooks, progress, loop));
  }

  /** The data of the running or last run; loaders that were given alone are in one too. */
  get dataModule(): DataModule | undefined {
    return this.#sources?.dataModule;
  }

  /** Called by `module.log()`. */
  log(name: string, value: LogValue, options: LogOptions): void {
    this.metrics.log(this.#hooks?.running, name, value, options);
  }

  /** The callbacks of the last run: those given, the default ones and the module's own. */
  get callbacks(): readonly Callback[] {
    return this.#hooks?.callbacks ?? this.options.callbacks;
  }

  get checkpointCallback(): ModelCheckpoint | undefined {
    return this.callbacks.find((callback) => callback instanceof ModelCheckpoint);
  }

  get progressBarCallback(): ProgressBar | undefined {
    return this.callbacks.find((callback) => callback instanceof ProgressBar);
  }

  /** Shows a line of text above the progress bar. Without a bar nobody asked to see anything, and nothing is shown. */
  print(text: string): void {
    this.progressBarCallback?.print(text);
  }

  get earlyStoppingCallback(): EarlyStopping | undefined {
    return this.callbacks.find((callback) => callback instanceof EarlyStopping);
  }

  /** Every metric logged so far with its last value, as monitors see it. Reading waits for the device. */
  get callbackMetrics(): MetricRecord {
    return this.metrics.callbackMetrics;
  }

  get progressBarMetrics(): MetricRecord {
    return this.metrics.progressBarMetrics;
  }

  /** Epochs completed in this fit: while one runs, its 0-based number. */
  get currentEpoch(): number {
    return this.#loop?.progress.epoch ?? 0;
  }

  /** Optimizer steps in this fit. */
  get globalStep(): number {
    return this.#loop?.progress.globalStep ?? 0;
  }

  /** The last epoch of this fit with validation, -1 before the first; undefined where there is no validation data. */
  get validatedEpoch(): number | undefined {
    return this.#loop?.validatedEpoch;
  }

  get sanityChecking(): boolean {
    return this.state.stage === "sanityCheck";
  }

  /** The optimizer of the running fit. */
  get optimizer(): Optimizer | undefined {
    return this.#loop?.optimizer;
  }

  /** Batches of one training epoch; Infinity where the loader does not tell. */
  get numTrainingBatches(): number {
    return this.#sources?.total("train") ?? 0;
  }

  get numSanityValBatches(): number {
    return this.#numSanityValBatches;
  }

  get numValBatches(): number {
    return this.#sources?.total("validate") ?? 0;
  }

  get numTestBatches(): number {
    return this.#sources?.total("test") ?? 0;
  }

  get numPredictBatches(): number {
    return this.#sources?.total("predict") ?? 0;
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

  /** The first logger's folder, or `defaultRootDir`. */
  get logDir(): string {
    return this.loggers.find(({ logDir }) => logDir !== undefined)?.logDir ?? this.options.defaultRootDir;
  }

  /** @internal Writes what the running step logged, reading it only where there is a logger. */
  async logStep(stage: "train" | "validate" | "test", step?: number): Promise<void> {
    if (this.loggers.length > 0) await this.logToLoggers(this.metrics.stepMetrics(stage), step);
  }

  /** @internal Writes one row to every logger. */
  async logToLoggers(metrics: MetricRecord, step = Math.max(0, this.globalStep - 1)): Promise<void> {
    if (this.metrics.muted || Object.keys(metrics).length === 0) return;
    for (const logger of this.loggers)
      await logger.logMetrics({ epoch: this.currentEpoch, ...metrics }, step);
  }

  async #fit(run: Run, { ckptPath }: FitOptions): Promise<void> {
    const { hooks } = run;
    this.ckptPath = ckptPath;
    const checkpoint = ckptPath === undefined ? undefined : await readCheckpoint(ckptPath);
    if (checkpoint !== undefined) await restoreModule(hooks, checkpoint);
    const loop = await this.#prepareLoop(run);
    this.#loop = loop;
    this.#liveLoop = loop;
    await hooks.callAll("onFitStart");
    for (const logger of this.loggers) await logger.logHyperparams(hooks.module.hparams);
    if (checkpoint !== undefined) restoreLoop(loop, checkpoint);
    await loop.run();
    await hooks.callAll("onFitEnd");
  }

  async #prepareLoop({ hooks, sources }: Run): Promise<FitLoop> {
    const train = await sources.require("train", "fit");
    const val = hooks.module.validationStep && (await sources.request("validate"));
    const { numSanityValSteps } = this.options;
    const sanitySteps = numSanityValSteps === -1 ? Infinity : numSanityValSteps;
    const sanity = val && { loader: val.loader, total: Math.min(val.total, sanitySteps) };
    this.#numSanityValBatches = sanity?.total ?? 0;
    const configuration = hooks.callHook(hooks.module, "configureOptimizers");
    return new FitLoop(this, hooks, { ...readOptimizers(hooks.module, configuration), train, val, sanity });
  }

  async #evaluate(run: Run, stage: "validate" | "test"): Promise<MetricRecord> {
    const { module } = run.hooks;
    const step = stage === "validate" ? "validationStep" : "testStep";
    if (module[step] === undefined) {
      throw new ConfigurationError(
        "ERR_STEP_MISSING",
        `${module.constructor.name} has no ${step}, which ${stage} runs.`,
      );
    }
    const source = await run.sources.require(stage, stage);
    return new EvaluationLoop(this, run.hooks, stage).run(source);
  }

  async #run<T>(
    fn: Stage,
    module: AnyLightningModule,
    data: Data,
    body: (run: Run) => Promise<T>,
  ): Promise<T> {
    if (this.state.status === "running") {
      throw new ConfigurationError(
        "ERR_TRAINER_BUSY",
        `This Trainer is running ${this.state.fn}. Wait for it before calling ${fn}, or use another Trainer.`,
      );
    }
    const hooks = new Hooks(this, module, runCallbacks(this.options, module));
    const dataModule = data instanceof DataModule ? data : DataModule.fromLoaders(data);
    const sources = new DataSources(dataModule, hooks, this.options);
    this.#begin(fn, hooks, sources);
    try {
      await hooks.callHook(dataModule, "prepareData");
      await hooks.callHook(module, "prepareData");
      await hooks.callHook(dataModule, "setup", fn);
      await hooks.callAll("setup", fn);
      const result = await body({ hooks, sources });
      await hooks.callHook(dataModule, "teardown", fn);
      await hooks.callAll("teardown", fn);
      for (const logger of this.loggers) await logger.finalize("success");
      this.state.status = "finished";
      return result;
    } catch (error) {
      this.state.status = "interrupted";
      await this.#fail(hooks, dataModule, error);
      throw error;
    } finally {
      this.#liveLoop?.dispose();
      this.#liveLoop = undefined;
      this.metrics.batch = undefined;
      this.state.stage = undefined;
    }
  }

  #begin(fn: Stage, hooks: Hooks, sources: DataSources): void {
    Object.assign(this.state, { fn, stage: fn === "fit" ? "train" : fn, status: "running" });
    this.#hooks = hooks;
    this.#sources = sources;
    this.#numSanityValBatches = 0;
    this.metrics.beginRun();
    if (fn === "fit") {
      this.#loop = undefined;
      this.shouldStop = false;
      this.accumulateGradBatches = this.options.accumulateGradBatches;
    }
    hooks.module.attachTrainer(this);
  }

  /** Tells everybody about a failure. What fails while doing so must not hide the first error, and is left out. */
  async #fail(hooks: Hooks, dataModule: DataModule, error: unknown): Promise<void> {
    this.metrics.discard();
    const steps = [
      ...hooks.callbacks.map((callback) => () => hooks.callCallbacks([callback], "onException", error)),
      () => hooks.callHook(dataModule, "onException", error),
      ...this.loggers.map((logger) => () => logger.finalize("failed")),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch {
        continue;
      }
    }
  }
}

/** What one call of fit, validate, test or predict works with. */
interface Run {
  hooks: Hooks;
  sources: DataSources;
}
