/** The Trainer: runs a LightningModule on data, from the first hook to the last, and frees what the run made. */
import { join } from "node:path";
import { ConfigurationError } from "../errors.js";
import type { Optimizer } from "../nn/index.js";
import type { Callback } from "./callbacks/callback.js";
import { runCallbacks } from "./callbacks/run_callbacks.js";
import { EarlyStopping } from "./callbacks/early_stopping.js";
import { ModelCheckpoint } from "./callbacks/model_checkpoint.js";
import { readCheckpoint, writeCheckpoint } from "./checkpoint/checkpoint.js";
import { captureCheckpoint, restoreLoop, restoreModule } from "./checkpoint/state.js";
import { readOptimizers } from "./configure_optimizers.js";
import { DataModule, type Loaders, type Stage } from "./data_module.js";
import { Hooks } from "./hooks.js";
import type { AnyLightningModule, Finetunable, LoaderPart } from "./lightning_module.js";
import type { LogOptions } from "./logging/log_rules.js";
import { MetricsHub, type LogValue } from "./logging/metrics_hub.js";
import { CsvLogger } from "./loggers/csv_logger.js";
import type { Logger } from "./loggers/logger.js";
import { limitBatches, type BatchSource } from "./loops/batches.js";
import { EvaluationLoop } from "./loops/evaluation_loop.js";
import { FitLoop } from "./loops/fit_loop.js";
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
/** Batches of each part of the data that a run uses. */
type BatchCounts = Partial<Record<LoaderPart | "sanityCheck", number>>;

export class Trainer {
  readonly options: Readonly<ResolvedTrainerOptions>;
  readonly loggers: readonly Logger[];
  readonly state: TrainerState = { fn: undefined, stage: undefined, status: "initializing" };
  /** Set it to true to end training after the running batch. */
  shouldStop = false;
  /** @internal */
  readonly metrics = new MetricsHub();
  #hooks: Hooks | undefined;
  #dataModule: DataModule | undefined;
  #loop: FitLoop | undefined;
  #batchCounts: BatchCounts = {};

  /** @throws ConfigurationError `ERR_TRAINER_OPTION` for an unknown option or a value it cannot have */
  constructor(options: TrainerOptions = {}) {
    this.options = resolveTrainerOptions(options);
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
      const source = await this.#requireSource(run, "predict");
      return new PredictionLoop(run.hooks).run(source);
    });
  }

  /**
   * Saves the module that runs or ran last. While a fit runs, the file holds all that training needs to go on; afterwards
   * the optimizer is gone and it holds the weights.
   *
   * @throws ConfigurationError `ERR_NO_MODULE` before the first run
   */
  async saveCheckpoint(path: string): Promise<void> {
    const hooks = this.#hooks;
    if (hooks === undefined) {
      throw new ConfigurationError(
        "ERR_NO_MODULE",
        "saveCheckpoint was called before this Trainer had a module to save. Call fit first.",
      );
    }
    const progress = this.#loop?.resumePoint ?? {
      epoch: 0,
      batchInEpoch: 0,
      globalStep: 0,
      phase: "batches",
    };
    const isFitting = this.state.fn === "fit" && this.state.status === "running";
    await writeCheckpoint(path, await captureCheckpoint(hooks, progress, isFitting ? this.#loop : undefined));
  }

  /** The data of the running or last run; loaders that were given alone are in one too. */
  get dataModule(): DataModule | undefined {
    return this.#dataModule;
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
    return this.#batchCounts.train ?? 0;
  }

  get numSanityValBatches(): number {
    return this.#batchCounts.sanityCheck ?? 0;
  }

  get numValBatches(): number {
    return this.#batchCounts.validate ?? 0;
  }

  get numTestBatches(): number {
    return this.#batchCounts.test ?? 0;
  }

  get numPredictBatches(): number {
    return this.#batchCounts.predict ?? 0;
  }

  /** Optimizer steps that the fit will take unless it is stopped; Infinity where that cannot be known. */
  get estimatedSteppingBatches(): number {
    const { maxEpochs, maxSteps, accumulateGradBatches } = this.options;
    const perEpoch = Math.ceil(this.numTrainingBatches / accumulateGradBatches);
    const byEpochs = maxEpochs === -1 ? Infinity : perEpoch * maxEpochs;
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
    const checkpoint = ckptPath === undefined ? undefined : await readCheckpoint(ckptPath);
    if (checkpoint !== undefined) await restoreModule(hooks, checkpoint);
    const loop = await this.#prepareLoop(run);
    this.#loop = loop;
    try {
      await hooks.callAll("onFitStart");
      for (const logger of this.loggers) await logger.logHyperparams(hooks.module.hparams);
      if (checkpoint !== undefined) restoreLoop(loop, checkpoint);
      await loop.run();
      await hooks.callAll("onFitEnd");
    } finally {
      loop.dispose();
    }
  }

  async #prepareLoop(run: Run): Promise<FitLoop> {
    const { hooks } = run;
    const train = await this.#requireSource(run, "train");
    const val = hooks.module.validationStep && (await this.#source(run, "validate"));
    const { numSanityValSteps } = this.options;
    const sanitySteps = numSanityValSteps === -1 ? Infinity : numSanityValSteps;
    const sanity = val && { loader: val.loader, total: Math.min(val.total, sanitySteps) };
    this.#batchCounts.sanityCheck = sanity?.total ?? 0;
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
    const source = await this.#requireSource(run, stage);
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
    this.#dataModule = dataModule;
    this.#begin(fn, hooks);
    try {
      await hooks.callHook(dataModule, "prepareData");
      await hooks.callHook(module, "prepareData");
      await hooks.callHook(dataModule, "setup", fn);
      await hooks.callAll("setup", fn);
      const result = await body({ hooks, dataModule });
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
      this.metrics.batch = undefined;
      this.state.stage = undefined;
    }
  }

  #begin(fn: Stage, hooks: Hooks): void {
    Object.assign(this.state, { fn, stage: fn === "fit" ? "train" : fn, status: "running" });
    this.#hooks = hooks;
    this.#batchCounts = {};
    this.metrics.beginRun();
    if (fn === "fit") {
      this.#loop = undefined;
      this.shouldStop = false;
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

  /** A part's loader, processed by the module and limited. */
  async #source({ hooks, dataModule }: Run, part: LoaderPart): Promise<BatchSource | undefined> {
    const { method, limit } = loaderParts[part];
    const loader = (await hooks.callHook(dataModule, method)) as Awaited<
      ReturnType<DataModule["trainDataloader"]>
    >;
    if (loader === undefined) return undefined;
    const processed = await hooks.callHook(hooks.module, "processDataloader", loader, part);
    const source = limitBatches(processed as typeof loader, this.options[limit], limit);
    this.#batchCounts[part] = source.total;
    return source;
  }

  async #requireSource(run: Run, part: LoaderPart): Promise<BatchSource> {
    const source = await this.#source(run, part);
    if (source !== undefined) return source;
    const { method, key } = loaderParts[part];
    throw new ConfigurationError(
      "ERR_LOADER_MISSING",
      `${this.state.fn} needs ${part} data, and there is none: give the data module a ${method}() ` +
        `that returns a loader, or pass { ${key}: loader }.`,
    );
  }
}

interface Run {
  hooks: Hooks;
  dataModule: DataModule;
}

const loaderParts = {
  train: { method: "trainDataloader", key: "train", limit: "limitTrainBatches" },
  validate: { method: "valDataloader", key: "val", limit: "limitValBatches" },
  test: { method: "testDataloader", key: "test", limit: "limitTestBatches" },
  predict: { method: "predictDataloader", key: "predict", limit: "limitPredictBatches" },
} as const;
