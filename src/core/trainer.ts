/** The Trainer: runs a LightningModule on data, from the first hook to the last, and frees what the run made. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError, DistributedError } from "../errors.js";
import type { Callback } from "./callbacks/callback.js";
import { runCallbacks, showsProgress } from "./callbacks/run_callbacks.js";
import type { Checkpoint } from "./checkpoint/checkpoint.js";
import { SafetensorsCheckpointIO, type CheckpointIO } from "./checkpoint/checkpoint_io.js";
import { findCheckpoint, type CkptPath } from "./checkpoint/ckpt_path.js";
import { captureCheckpoint, restoreLoop, restoreModule, restoreWeights } from "./checkpoint/state.js";
import { checkModule } from "./check_module.js";
import type { PerLoader } from "./combined_loader.js";
import { readOptimizers, type Optimization } from "./configure_optimizers.js";
import type { DataModule, Loaders, Stage } from "./data_module.js";
import type { Hooks } from "./hooks.js";
import type { BaseFinetuning } from "./finetuning/base_finetuning.js";
import { resolveFinetuning, type FinetuningStrategy } from "./finetuning/resolve_finetuning.js";
import { mergeHyperparameters } from "./hyperparameters.js";
import type { AnyLightningModule } from "./lightning_module.js";
import type { LightningOptimizer } from "./lightning_optimizer.js";
import type { LogOptions } from "./logging/log_rules.js";
import type { LogValue } from "./logging/metrics_hub.js";
import { callLoggers } from "./loggers/call_loggers.js";
import { CSVLogger } from "./loggers/csv_logger.js";
import type { Logger } from "./loggers/logger.js";
import { silent } from "./loggers/silent_logger.js";
import { numberBatches } from "./loops/batches.js";
import { EvaluationLoop, runForward } from "./loops/evaluation_loop.js";
import { FitLoop, startOfTraining } from "./loops/fit_loop.js";
import { release } from "./loops/outputs.js";
import { PredictionLoop } from "./loops/prediction_loop.js";
import { prepareHostBatch } from "./loops/transfer.js";
import { refuseSecond, Run } from "./run.js";
import { makeProfiler, type Profiler } from "./profilers/index.js";
import { resolveStrategy, type Strategy } from "./strategies/index.js";
import {
  resolveTrainerOptions,
  type ResolvedTrainerOptions,
  type TrainerOptions,
} from "./trainer_options.js";
import { TrainerStatus } from "./trainer_status.js";
import { Generator, getGlobalGenerator } from "../random.js";
import { positionOf } from "./tuner/loader_position.js";
import type { MetricRecord } from "./types.js";

export type { TrainerState } from "./trainer_status.js";

/** Options of `trainer.fit`. */
export interface FitOptions {
  /**
   * A checkpoint to go on from: weights, optimizer, position and random numbers. "last" is the newest that a callback or a
   * signal left, or a start from the beginning where there is none; "best" the best of this Trainer's last fit.
   */
  ckptPath?: CkptPath;
}

/** Options of `trainer.validate` and `trainer.test`. */
export interface EvaluationOptions {
  /** A checkpoint whose weights the module takes first; "best" is the best of this Trainer's last fit. */
  ckptPath?: CkptPath;
}

/** Options of `trainer.saveCheckpoint`. */
export interface SaveCheckpointOptions {
  /** Leaves out all but the weights and hyperparameters, so that training cannot go on from it. Default: false. */
  weightsOnly?: boolean;
}

/** Options of `trainer.finetune`. */
export interface FinetuneOptions extends FitOptions {
  /** Which layers train, and from when on. Default: "no_freeze", all of them. */
  strategy?: FinetuningStrategy;
}

/** Options of `trainer.predict`. */
export interface PredictOptions extends EvaluationOptions {
  /** Whether to collect the predictions. Without, callbacks see them in `onPredictBatchEnd`. Default: true. */
  returnPredictions?: boolean;
}

type Data = DataModule | Loaders;

/** What a data module or an object of loaders has for a part. */
type Given<D, Method extends string, Key extends string> = D extends DataModule
  ? D extends Record<Method, () => infer Loader>
    ? Awaited<Loader>
    : never
  : D extends Record<Key, infer Loader>
    ? Loader
    : never;

/**
 * One Trainer does one thing at a time. SIGINT and SIGTERM end a run in good order, at the end of a batch: a fit leaves a
 * checkpoint at `interruptionPath`, and every run throws an `InterruptedError`, which uncaught ends the process with 1 for
 * SIGINT and 143 for SIGTERM. A second signal ends the process at once.
 */
export class Trainer extends TrainerStatus {
  readonly options: Readonly<ResolvedTrainerOptions>;
  readonly #given: TrainerOptions;
  readonly loggers: readonly Logger[];
  /** Measures what it does; `trainer.profiler.profile(name, body)` adds an action of your own. */
  readonly profiler: Profiler;
  /** How and where runs compute, as Fabric does. */
  readonly strategy: Strategy;
  /** Where checkpoints go and come from. */
  readonly checkpointIO: CheckpointIO;
  /** Set it to true to end training after the running batch, once `minEpochs` and `minSteps` are done. */
  shouldStop = false;
  /** Batches averaged for the next optimizer steps. A fit starts with the option's; a callback may change it at an epoch's start. */
  accumulateGradBatches: number;
  /** The callbacks of the last fit: they know its best checkpoint. */
  #fitCallbacks: readonly Callback[] = [];
  /** The checkpoint that the running or last run began with. */
  #ckptPath: string | undefined;

  /**
   * @throws ConfigurationError `ERR_TRAINER_OPTION` for an unknown option, a value it cannot have, or a contradiction;
   *   `ERR_STRATEGY_OPTION` where the options of devices, strategy and precision do not fit
   */
  constructor(options: TrainerOptions = {}) {
    super();
    this.#given = options;
    this.options = resolveTrainerOptions(options);
    this.strategy = resolveStrategy(options);
    this.profiler = makeProfiler(this.options.profiler);
    this.accumulateGradBatches = this.options.accumulateGradBatches;
    const { logger, defaultRootDir, checkpointIO } = this.options;
    this.checkpointIO = checkpointIO ?? new SafetensorsCheckpointIO();
    if (typeof logger !== "boolean") this.loggers = [logger].flat();
    else this.loggers = logger ? [new CSVLogger({ saveDir: defaultRootDir })] : [];
    if (!this.strategy.isGlobalZero) this.loggers = this.loggers.map(silent);
  }

  /**
   * Trains a module. Each call starts at epoch 0 with a new optimizer, and from the weights the module has.
   *
   * @param data a data module, or loaders: `{ train, val }`
   * @throws InterruptedError `ERR_INTERRUPTED` for SIGINT and SIGTERM
   */
  async fit(module: AnyLightningModule, data: Data, options: FitOptions = {}): Promise<void> {
    await this.#execute("fit", module, data, options, (run) => this.#fit(run));
  }

  /**
   * Trains a module whose backbone is frozen at first, or for good.
   *
   * @throws ConfigurationError `ERR_FINETUNE_STRATEGY` for a strategy that is not known, `ERR_FINETUNE_UNSUPPORTED` for a
   * module without a `backbone`, and the module's own error for a strategy that it cannot do
   */
  async finetune(
    module: AnyLightningModule,
    data: Data,
    { strategy = "no_freeze", ...options }: FinetuneOptions = {},
  ): Promise<void> {
    await this.#execute("fit", module, data, options, (run) => this.#fit(run), resolveFinetuning(strategy));
  }

  /** @returns every metric logged over the validation data; where these are several loaders, a record for each */
  async validate<D extends Data>(
    module: AnyLightningModule,
    data: D,
    options: EvaluationOptions = {},
  ): Promise<PerLoader<Given<D, "valDataloader", "val">, MetricRecord>> {
    const evaluate = (run: Run) => this.#evaluate(run, "validate");
    const records = await this.#execute("validate", module, data, options, evaluate);
    return records as PerLoader<Given<D, "valDataloader", "val">, MetricRecord>;
  }

  /** @returns every metric logged over the test data; where these are several loaders, a record for each */
  async test<D extends Data>(
    module: AnyLightningModule,
    data: D,
    options: EvaluationOptions = {},
  ): Promise<PerLoader<Given<D, "testDataloader", "test">, MetricRecord>> {
    const records = await this.#execute("test", module, data, options, (run) => this.#evaluate(run, "test"));
    return records as PerLoader<Given<D, "testDataloader", "test">, MetricRecord>;
  }

  /**
   * @returns what `predictStep` gives, in host memory, one entry for each sample: batches of tensors are cut along their
   * first axis. Where there are several loaders, a list for each.
   */
  async predict(
    module: AnyLightningModule,
    data: Data,
    { returnPredictions = true, ...options }: PredictOptions = {},
  ): Promise<unknown[]> {
    return this.#execute("predict", module, data, options, async (run) => {
      await this.#loadWeights(run);
      const { sources, isList } = await run.sources.require("predict", "predict");
      const { strategy, options } = this;
      const { useDistributedSampler: isShared } = options;
      const loop = new PredictionLoop(run.hooks, run.signals, {
        strategy,
        keeps: returnPredictions,
        isShared,
      });
      const predictions = await loop.run(sources, this.currentEpoch);
      return isList ? predictions : predictions[0]!;
    });
  }

  /**
   * Saves the module that runs or ran last. While a fit runs, the file holds all that training needs to go on; afterwards
   * the optimizer is gone and it holds the weights.
   *
   * @throws ConfigurationError `ERR_NO_MODULE` before the first run
   * @throws CheckpointError `ERR_FILE_WRITE` where the disk is full or the folder cannot be written to; what the path
   *   stood for before is intact. `ERR_CHECKPOINT_VALUE` where a hook added what JSON cannot hold
   */
  async saveCheckpoint(path: string, { weightsOnly = false }: SaveCheckpointOptions = {}): Promise<void> {
    const { run } = this;
    if (run === undefined) {
      throw new ConfigurationError(
        "ERR_NO_MODULE",
        "saveCheckpoint was called before this Trainer had a module to save. Call fit first.",
      );
    }
    const progress = this.loop?.resumePoint ?? startOfTraining();
    const loop = weightsOnly ? undefined : run.loop;
    const fit = loop && {
      loop,
      metrics: this.metrics,
      dataModule: run.hooks.dataModule,
      strategy: this.strategy,
    };
    const checkpoint = await captureCheckpoint(run.hooks, progress, fit);
    await this.strategy.writeOnce(async () => this.checkpointIO.saveCheckpoint(path, checkpoint));
  }

  /** The checkpoint that the running or last run began with. */
  get ckptPath(): string | undefined {
    return this.#ckptPath;
  }

  /** @internal Reads the checkpoint a run begins with, before callbacks forget the run before. */
  async loadCheckpoint(ckptPath: CkptPath | undefined): Promise<Checkpoint | undefined> {
    this.#ckptPath = ckptPath && (await findCheckpoint(ckptPath, this, this.#fitCallbacks));
    if (this.strategy.worldSize > 1) this.#ckptPath = await this.strategy.broadcast(this.#ckptPath);
    return this.#ckptPath === undefined ? undefined : this.readCheckpoint(this.#ckptPath);
  }

  /** @internal Rank 0 reads it for all, so that the others need not see the disk. */
  async readCheckpoint(path: string): Promise<Checkpoint> {
    const { strategy, checkpointIO } = this;
    if (strategy.worldSize === 1) return checkpointIO.loadCheckpoint(path);
    const own = strategy.isGlobalZero ? await checkpointIO.loadCheckpoint(path) : undefined;
    return (await strategy.broadcast(own)) as Checkpoint;
  }

  /** @internal All ranks say the same where logs and checkpoints are. */
  async shareLogDir(): Promise<void> {
    const { strategy } = this;
    if (strategy.worldSize === 1) return;
    this.metrics.gather = (value) => strategy.gatherObjects(value);
    this.sharedLogDir = undefined;
    // Asking for it may make the folder.
    this.sharedLogDir = await strategy.broadcast(strategy.isGlobalZero ? this.logDir : "");
  }

  /** Called by `module.log()`. Does nothing in a `barebones` run. */
  log(name: string, value: LogValue, options: LogOptions): void {
    if (!this.options.barebones) this.metrics.log(this.run?.hooks.running, name, value, options);
  }

  /** Writes a line of text above the progress bar, and nothing without one. */
  print(...values: unknown[]): void {
    this.progressBarCallback?.print(values.map(String).join(" "));
  }

  /** @internal The optimizers as `module.optimizers()` gives them. */
  get lightningOptimizers(): LightningOptimizer[] {
    return this.#runningLoop("optimizers").lightningOptimizers;
  }

  /** @internal What `module.manualBackward()` does. */
  manualBackward(loss: () => tf.Tensor): tf.Scalar {
    return this.#runningLoop("manualBackward").manualBackward(loss);
  }

  /** @internal One pass of `trainingStep` over the training data, without gradients and logs. */
  async forwardTrainingData(afterBatch: () => void): Promise<void> {
    const { hooks, sources } = this.run!;
    const [train] = await sources.forEpoch("train", this.currentEpoch);
    this.metrics.muted = true;
    for await (const { batch, index } of numberBatches(train!)) {
      const hostBatch = await prepareHostBatch(hooks, batch, 0);
      this.metrics.batch = hostBatch;
      release(runForward(hooks, "trainingStep", hostBatch, index, 0));
      afterBatch();
      this.metrics.endStep("train");
    }
    this.metrics.endEpoch("train");
    this.metrics.muted = false;
  }

  #runningLoop(method: string): FitLoop {
    const loop = this.run?.loop;
    if (loop !== undefined) return loop;
    throw new ConfigurationError(
      "ERR_NO_FIT",
      `${method} was called where no fit runs: there are optimizers from onFitStart to onFitEnd.`,
    );
  }

  /** @internal Writes what the running step logged, reading it only where there is a logger. */
  async logStep(stage: "train" | "validate" | "test", step?: number): Promise<void> {
    if (this.loggers.length > 0) await this.logToLoggers(this.metrics.stepMetrics(stage), step);
  }

  /** @internal Writes one row to every logger. A metric named "step" replaces the step. */
  async logToLoggers(
    { step: loggedStep, ...metrics }: MetricRecord,
    step = Math.max(0, this.globalStep - 1),
  ): Promise<void> {
    if (this.metrics.muted || Object.keys(metrics).length === 0) return;
    this.metrics.noteLogged(metrics);
    const row = { epoch: this.currentEpoch, ...metrics };
    await callLoggers(this.loggers, "logMetrics", row, loggedStep ?? step);
  }

  /** @internal Another Trainer, with the same options but for these. */
  withOptions(changes: TrainerOptions): Trainer {
    return new Trainer({ ...this.#given, ...changes });
  }

  /** @internal Runs the body where a module and its data are set up for a fit, without callbacks. */
  async whenSetUp<T>(module: AnyLightningModule, data: DataModule, body: () => Promise<T>): Promise<T> {
    return this.#attached(module, data, (run) => run.execute(undefined, body));
  }

  /** @internal The training steps of a fit, without all that comes before and after them and without validation. */
  async trial(module: AnyLightningModule, data: DataModule): Promise<void> {
    await this.#attached(module, data, (run) =>
      run.executeBare(async () => {
        const { sources, signals, hooks } = run;
        const { sources: train } = await sources.require("train", "fit");
        const keepPositions = train.map(({ loader }) => positionOf(loader));
        const { optimizers } = this.#configureOptimizers(hooks);
        const optimization = { optimizers, lrSchedulerConfigs: [] };
        const parts = { hooks, sources, signals, optimization, validates: false, sanity: [] };
        this.loop = run.loop = new FitLoop(this, parts);
        try {
          await this.loop.run();
        } finally {
          for (const restore of keepPositions) restore();
        }
      }),
    );
  }

  /** Gives the module back to the Trainer it had. */
  async #attached<T>(
    module: AnyLightningModule,
    data: DataModule,
    body: (run: Run) => Promise<T>,
  ): Promise<T> {
    checkModule(module, "fit", this.options);
    this.run = new Run(this, "fit", module, data, this.options.callbacks);
    const before = module.attachTrainer(this);
    try {
      return await body(this.run);
    } finally {
      module.attachTrainer(before);
    }
  }

  async #fit(run: Run): Promise<void> {
    const { hooks, checkpoint } = run;
    const { dataModule } = hooks;
    this.#fitCallbacks = hooks.callbacks;
    if (checkpoint !== undefined) await restoreModule(hooks, dataModule, checkpoint);
    else if (!this.options.fastDevRun) await hooks.callCallbacks(hooks.callbacks, "tune");
    const loop = await this.#prepareLoop(run);
    this.loop = run.loop = loop;
    await hooks.callAll("onFitStart");
    const hparams = mergeHyperparameters(hooks.module, dataModule);
    await callLoggers(this.loggers, "logHyperparams", hparams);
    if (checkpoint !== undefined) {
      const fit = { loop, metrics: this.metrics, dataModule, strategy: this.strategy };
      restoreLoop(fit, checkpoint, this.options.maxEpochs);
    } else if (this.strategy.globalRank > 0) {
      // Dropout is not the same on all ranks.
      const generator = getGlobalGenerator();
      generator.state = new Generator(...generator.state, this.strategy.globalRank).state;
    }
    await loop.run();
    await hooks.callAll("onFitEnd");
  }

  async #prepareLoop({ hooks, sources, signals }: Run): Promise<FitLoop> {
    await sources.require("train", "fit");
    await this.#checkTotals(sources.total("train"));
    const val = hooks.module.validationStep && (await sources.request("validate"));
    const { numSanityValSteps } = this.options;
    const sanitySteps = numSanityValSteps === -1 ? Infinity : numSanityValSteps;
    const limited = (val?.sources ?? []).map(({ loader, total }) => ({
      loader,
      total: Math.min(total, sanitySteps),
    }));
    const own = limited.filter(({ total }) => total > 0);
    // All ranks validate where one has something to validate.
    const [sanityRuns, validates] = this.strategy.anyNow([own.length > 0, sources.total("validate") > 0]);
    const sanity = own.length > 0 || !sanityRuns ? own : limited;
    this.sanityBatches = sanity.reduce((sum, { total }) => sum + total, 0);
    const optimization = this.#configureOptimizers(hooks);
    return new FitLoop(this, { hooks, sources, signals, optimization, validates: validates!, sanity });
  }

  /** @throws DistributedError `ERR_RANK_DATA` where a rank would wait for another that has fewer batches */
  async #checkTotals(total: number): Promise<void> {
    const totals = await this.strategy.gatherObjects(total);
    const rank = totals.findIndex((other) => other !== totals[0]);
    if (rank === -1) return;
    throw new DistributedError(
      "ERR_RANK_DATA",
      `Ranks train side by side and need equally many batches: rank 0 has ${totals[0]} in an epoch, and rank ${rank} has ` +
        `${totals[rank]}. Give every rank the whole data set, which the Trainer shares out, or with useDistributedSampler: ` +
        "false parts of equal length.",
      { rank },
    );
  }

  #configureOptimizers(hooks: Hooks): Optimization {
    const { module } = hooks;
    const configuration = hooks.callHook(module, "configureOptimizers");
    return readOptimizers(module.constructor.name, configuration, module.automaticOptimization);
  }

  async #loadWeights({ hooks, checkpoint }: Run): Promise<void> {
    if (checkpoint !== undefined) await restoreWeights(hooks, checkpoint);
  }

  async #evaluate(run: Run, stage: "validate" | "test"): Promise<MetricRecord | MetricRecord[]> {
    await this.#loadWeights(run);
    const { sources, isList } = await run.sources.require(stage, stage);
    const loop = new EvaluationLoop(this, run.hooks, run.signals, stage);
    const records = await loop.run(sources, this.currentEpoch);
    return isList ? records : records[0]!;
  }

  async #execute<T>(
    fn: Stage,
    module: AnyLightningModule,
    data: Data,
    { ckptPath }: EvaluationOptions,
    body: (run: Run) => Promise<T>,
    finetuning?: BaseFinetuning,
  ): Promise<T> {
    refuseSecond(this.run, fn);
    checkModule(module, fn, this.options);
    const callbacks = runCallbacks(this.options, module, finetuning);
    const own = this.strategy.isGlobalZero ? callbacks : callbacks.filter((one) => !showsProgress(one));
    this.run = new Run(this, fn, module, data, own);
    this.metrics.beginRun();
    this.sanityBatches = 0;
    if (fn === "fit") {
      this.loop = undefined;
      this.shouldStop = false;
      this.accumulateGradBatches = this.options.accumulateGradBatches;
    }
    module.attachTrainer(this);
    const { run } = this;
    return this.strategy.launch(() => run.execute(ckptPath, body));
  }
}
