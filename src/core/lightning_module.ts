/** The base class of everything that is trained: a Module that knows its steps, its optimizer and what it logs. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { exportOnnx, type OnnxExport, type OnnxExportOptions } from "../onnx/export.js";
import { warnOnce } from "../warn.js";
import {
  clipGradNorm,
  clipGradValue,
  type LoadStateOptions,
  type LrScheduler,
  type Optimizer,
  type Parameter,
} from "../nn/index.js";
import type { Callback } from "./callbacks/callback.js";
import { readCheckpoint } from "./checkpoint/checkpoint.js";
import type { Fabric } from "./fabric/fabric.js";
import type { OptimizerConfiguration } from "./configure_optimizers.js";
import { parametersOf } from "./gradients.js";
import type { BatchLoader } from "./data_module.js";
import { Hyperparameters, type SaveHyperparametersOptions } from "./hyperparameters.js";
import type { LightningOptimizer } from "./lightning_optimizer.js";
import type { Logger } from "./loggers/logger.js";
import type { LogOptions } from "./logging/log_rules.js";
import type { LogValue } from "./logging/metrics_hub.js";
import { ModuleHooks } from "./module_hooks.js";
import { toDevice } from "./to_device.js";
import { summarize, type ModuleSummary, type SummaryOptions } from "./summary/module_summary.js";
import type { Trainer } from "./trainer.js";
import type { GradientClipAlgorithm } from "./trainer_options.js";
import type { Awaitable } from "./types.js";

/**
 * What a training step returns: the loss, alone or with other values for `onTrainBatchEnd`, or null to skip the batch. In
 * manual optimization, whatever `onTrainBatchEnd` may want to see.
 */
export type TrainingStepOutput = tf.Tensor | { loss: tf.Tensor; [name: string]: unknown } | null;

/** Which logged metric tells how good the module is, and whether less or more of it is better. */
export interface Monitor {
  metric: string;
  mode: "min" | "max";
}

/** The parts of the data that a loader can belong to. */
export type LoaderPart = "train" | "validate" | "test" | "predict";

/**
 * Steps run synchronously on device batches inside one scope: every tensor they make is freed when the step ends, so
 * `tf.tidy` and `dispose` are never needed. A step that has to wait for something does it in `onBeforeBatchTransfer`.
 */
export abstract class LightningModule<Input = tf.Tensor, Output = tf.Tensor> extends ModuleHooks<
  Input,
  Output
> {
  /** Lets the Trainer keep the best checkpoint without being told. Default: none, and no checkpoint by default. */
  monitor: Monitor | undefined = undefined;
  /**
   * Whether the Trainer computes gradients and steps the optimizer. Set it to false to do that in `trainingStep`, with
   * `optimizers`, `manualBackward` and `toggledOptimizer`. Default: true.
   */
  automaticOptimization = true;
  #trainer: Trainer | undefined;
  /** What toggling has changed. */
  #toggled: Map<Parameter, boolean> | undefined;
  /** An input of `forward`, for `summary()` and `toOnnx()`: a tensor or HostTensor, or those in arrays and objects. */
  exampleInputArray: unknown = undefined;
  /** Whether every weight must be in a checkpoint and have a place in the module. Default: true. */
  strictLoading = true;
  readonly #hparams = new Hyperparameters();
  #fabric: { fabric: Fabric; optimizers: LightningOptimizer[] } | undefined;

  /** The loss of one batch. */
  abstract trainingStep(batch: unknown, batchIdx: number): TrainingStepOutput | void;
  /**
   * Logs what is worth knowing about one batch. Without this method there is no validation. `dataloaderIdx` tells which of
   * several loaders the batch is of.
   */
  validationStep?(batch: unknown, batchIdx: number, dataloaderIdx: number): unknown;
  testStep?(batch: unknown, batchIdx: number, dataloaderIdx: number): unknown;

  /** The predictions for one batch: tensors with the batch as first axis, nested as you like. Default: `forward(batch)`. */
  predictStep(batch: unknown, _batchIdx: number, _dataloaderIdx: number): unknown {
    return this.forward(batch as Input);
  }

  /**
   * The optimizer, alone or with its schedule, or in manual optimization an array of them. Called once per fit;
   * `trainer.estimatedSteppingBatches` is known.
   */
  abstract configureOptimizers(): OptimizerConfiguration;

  /**
   * Steps a scheduler where its interval ends. Default: `scheduler.step(metric)`.
   *
   * @param metric the monitored value, for schedulers that follow one
   */
  lrSchedulerStep(scheduler: LrScheduler, metric: number | undefined): Awaitable<void> {
    scheduler.step(metric);
  }

  /** The schedulers of the running fit, in the order of `configureOptimizers`. */
  lrSchedulers(): LrScheduler[] {
    return this.trainer.lrSchedulerConfigs.map(({ scheduler }) => scheduler);
  }

  /** Callbacks this module wants in addition to the Trainer's. */
  configureCallbacks(): Callback[] {
    return [];
  }

  /** Changes a batch in host memory, before anything of the step has begun. May be asynchronous. */
  onBeforeBatchTransfer(batch: unknown, _dataloaderIdx: number): Awaitable<unknown> {
    return batch;
  }

  /** Makes tensors of a host batch, inside the step. Default: `toDevice`. Synchronous. */
  transferBatchToDevice(batch: unknown, _dataloaderIdx: number): unknown {
    return toDevice(batch);
  }

  /** Changes a batch on the device, inside the step: normalisation, mixing of samples. Synchronous. */
  onAfterBatchTransfer(batch: unknown, _dataloaderIdx: number): unknown {
    return batch;
  }

  /**
   * Replaces a loader before it is used, for example one of pixels by one of cached features. Called once for each
   * loader of a run, before `configureOptimizers`, when the module has its weights and its layers are frozen.
   */
  processDataloader(loader: BatchLoader, _part: LoaderPart): Awaitable<BatchLoader> {
    return loader;
  }

  /**
   * One update. `closure` runs `trainingStep` and the backward pass, and clips the gradients; call it, then step. Called
   * once for each window of `accumulateGradBatches` batches. Default: `closure(); optimizer.step();`. Synchronous.
   */
  optimizerStep(_epoch: number, _batchIdx: number, optimizer: LightningOptimizer, closure: () => void): void {
    closure();
    optimizer.step();
  }

  /** Forgets the last update's gradients, between the forward and the backward pass. Synchronous. */
  optimizerZeroGrad(_epoch: number, _batchIdx: number, optimizer: Optimizer): void {
    optimizer.zeroGrad();
  }

  /** Limits the gradients before the optimizer's step. Default: `clipGradients`, as the Trainer's options say. */
  configureGradientClipping(
    optimizer: Optimizer,
    gradientClipVal: number | undefined,
    gradientClipAlgorithm: GradientClipAlgorithm,
  ): void {
    this.clipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);
  }

  /** Limits the common norm of an optimizer's gradients, or each of their elements. Without a value, nothing happens. */
  clipGradients(
    optimizer: Optimizer | LightningOptimizer,
    gradientClipVal?: number,
    gradientClipAlgorithm: GradientClipAlgorithm = "norm",
  ): void {
    if (gradientClipVal === undefined) return;
    const parameters = parametersOf(optimizer);
    if (gradientClipAlgorithm === "value") clipGradValue(parameters, gradientClipVal);
    else {
      const strategy = this.#trainer?.strategy ?? this.#fabric?.fabric.strategy;
      if (strategy === undefined) clipGradNorm(parameters, gradientClipVal);
      else strategy.clipGradNorm(parameters, gradientClipVal);
    }
  }

  /**
   * The fit's optimizers, in the order of `configureOptimizers`. In manual optimization their steps call
   * `onBeforeOptimizerStep` and are counted. In Fabric, the optimizers that were set up with this module.
   *
   * @throws ConfigurationError `ERR_NO_FIT` where no fit runs
   */
  optimizers(): LightningOptimizer[] {
    if (this.#trainer === undefined && this.#fabric !== undefined) return this.#fabric.optimizers;
    return this.trainer.lightningOptimizers;
  }

  /**
   * Computes a loss and adds its gradients to those of the parameters that require one, in manual optimization and in
   * Fabric. What the gradients flow through has to be computed inside the function; tensors from outside are constants.
   *
   * @param loss synchronous; returns a float32 scalar
   * @returns the loss
   * @throws ConfigurationError `ERR_AUTOMATIC_OPTIMIZATION` where the Trainer computes the gradients
   */
  manualBackward(loss: () => tf.Tensor): tf.Scalar {
    if (this.#trainer === undefined && this.#fabric !== undefined) return this.fabric.backward(loss, this);
    return this.trainer.manualBackward(loss);
  }

  /**
   * From now on only this optimizer's parameters require gradients, of all that have an optimizer.
   *
   * @throws ConfigurationError `ERR_TOGGLED` where another one is toggled
   */
  toggleOptimizer(optimizer: LightningOptimizer): void {
    if (this.#toggled !== undefined) {
      throw new ConfigurationError(
        "ERR_TOGGLED",
        "toggleOptimizer was called while an optimizer is toggled. Call untoggleOptimizer() first, or use toggledOptimizer.",
      );
    }
    const own = new Set(parametersOf(optimizer));
    this.#toggled = new Map();
    for (const parameter of this.optimizers().flatMap(parametersOf)) {
      if (this.#toggled.has(parameter)) continue;
      this.#toggled.set(parameter, parameter.requiresGrad);
      if (!own.has(parameter)) parameter.requiresGrad = false;
    }
  }

  /** Undoes `toggleOptimizer`. */
  untoggleOptimizer(): void {
    for (const [parameter, requiresGrad] of this.#toggled ?? []) parameter.requiresGrad = requiresGrad;
    this.#toggled = undefined;
  }

  /** Runs a function between `toggleOptimizer` and `untoggleOptimizer`. */
  toggledOptimizer<Result>(optimizer: LightningOptimizer, run: () => Result): Result {
    this.toggleOptimizer(optimizer);
    try {
      return run();
    } finally {
      this.untoggleOptimizer();
    }
  }

  /** Called where validation begins. Every submodule's own mode comes back when it ends. */
  onValidationModelEval(): void {
    this.eval();
  }

  onTestModelEval(): void {
    this.eval();
  }

  onPredictModelEval(): void {
    this.eval();
  }

  /**
   * Logs a value: a number, a tensor with one element, or a metric object, which is read and reset when the epoch ends.
   * Where both `onStep` and `onEpoch` are set, the names are `name_step` and `name_epoch`. In Fabric each value goes to the
   * loggers as it comes. With neither this only warns, so that steps can be tested alone.
   *
   * @throws ConfigurationError `ERR_LOG_…` where the hook does not allow it or the value is not one number
   */
  log(name: string, value: LogValue, options: LogOptions = {}): void {
    if (this.#trainer === undefined && this.#fabric !== undefined) {
      if (options.logger !== false) this.#fabric.fabric.logLater({ [name]: value });
      return;
    }
    if (this.#trainer === undefined) {
      warnOnce(
        "WARN_LOG_NO_TRAINER",
        `${this.constructor.name}.log() was called before the module was given to a Trainer, and logs nothing.`,
      );
      return;
    }
    this.#trainer.log(name, value, options);
  }

  /** Writes a line of text above the progress bar, and nothing without one. In Fabric, to standard output. */
  print(...values: unknown[]): void {
    if (this.#trainer === undefined) this.#fabric?.fabric.print(...values);
    else this.#trainer.print(...values);
  }

  /** Logs several values with the same options. */
  logDict(values: Record<string, LogValue>, options: LogOptions = {}): void {
    for (const [name, value] of Object.entries(values)) this.log(name, value, options);
  }

  /**
   * The Trainer that runs this module or ran it last.
   *
   * @throws ConfigurationError `ERR_NO_TRAINER` before the first run
   */
  get trainer(): Trainer {
    if (this.#trainer !== undefined) return this.#trainer;
    throw new ConfigurationError(
      "ERR_NO_TRAINER",
      `${this.constructor.name} is not attached to a Trainer. Its trainer is known from \`setup\` on, ` +
        "once it was given to fit, validate, test or predict.",
    );
  }

  /** The first logger of the Trainer or of Fabric; undefined without them or without loggers. */
  get logger(): Logger | undefined {
    return this.loggers[0];
  }

  /** The loggers of the Trainer or of Fabric. */
  get loggers(): readonly Logger[] {
    return this.#trainer?.loggers ?? this.#fabric?.fabric.loggers ?? [];
  }

  /** @internal Called by the Trainer. Gives the one before. */
  attachTrainer(trainer: Trainer | undefined): Trainer | undefined {
    const before = this.#trainer;
    this.#trainer = trainer;
    return before;
  }

  /**
   * The Fabric that has set this module up.
   *
   * @throws ConfigurationError `ERR_NO_FABRIC` where none has
   */
  get fabric(): Fabric {
    if (this.#fabric !== undefined) return this.#fabric.fabric;
    throw new ConfigurationError(
      "ERR_NO_FABRIC",
      `${this.constructor.name} is not attached to a Fabric. Call fabric.setup(module) first.`,
    );
  }

  /** @internal Called by Fabric. */
  attachFabric(fabric: Fabric, optimizers: LightningOptimizer[]): void {
    this.#fabric = { fabric, optimizers };
  }

  /** Complete passes over the training data so far; 0 without a Trainer. */
  get currentEpoch(): number {
    return this.#trainer?.currentEpoch ?? 0;
  }

  /** Optimizer steps so far; 0 without a Trainer. */
  get globalStep(): number {
    return this.#trainer?.globalStep ?? 0;
  }

  /** The options this module was made with. They are logged, and saved in checkpoints as JSON. May be changed. */
  get hparams(): Record<string, unknown> {
    return this.#hparams.values;
  }

  /** The hyperparameters as they were saved first. */
  get hparamsInitial(): Readonly<Record<string, unknown>> {
    return this.#hparams.initial;
  }

  /**
   * Call it in the constructor with the options object: `loadFromCheckpoint` passes the same to the constructor. A second
   * call adds to the first. Numbers, strings, booleans, null, arrays and plain objects can be saved; properties that are
   * undefined are left out.
   *
   * @throws ConfigurationError `ERR_HYPERPARAMETERS` naming a value of another kind
   */
  saveHyperparameters(hparams: object, options: SaveHyperparametersOptions = {}): void {
    this.#hparams.save(this.constructor.name, hparams, options);
  }

  /**
   * A module as a checkpoint has it: made with the saved hyperparameters, given the saved weights.
   *
   * ```ts
   * const model = await Autoencoder.loadFromCheckpoint("last.safetensors", { lr: 1e-4 });
   * ```
   *
   * @param overrides hyperparameters to change, and those that were not saved
   * @param options.strict whether every weight must have its counterpart. Default: the module's `strictLoading`
   * @throws CheckpointError where the file cannot be read or does not fit
   */
  static async loadFromCheckpoint<M extends AnyLightningModule, Options>(
    this: new (options: Options) => M,
    path: string,
    overrides: Partial<NonNullable<Options>> = {},
    { strict }: LoadStateOptions = {},
  ): Promise<M> {
    const checkpoint = await readCheckpoint(path);
    const module = new this({ ...checkpoint.hparams, ...overrides } as Options);
    await module.onLoadCheckpoint?.(checkpoint);
    module.loadStateDict(checkpoint.stateDict, { strict: strict ?? module.strictLoading });
    return module;
  }

  /**
   * The layers with their parameters, and the totals; with an `exampleInputArray` also what goes through each layer and
   * what it costs. `String(summary)` is a table.
   *
   * @throws ConfigurationError `ERR_SUMMARY` for another maxDepth than an integer from -1
   */
  summary(options: SummaryOptions = {}): ModuleSummary {
    return summarize(this, this.exampleInputArray, options);
  }

  /**
   * Writes the forward pass, as it is in eval mode, as one ONNX file with the weights inside, which any ONNX runtime runs
   * without Kindling; before that, it runs beside this module. A tensor alone is called `input` or `output`; those in
   * objects have their keys' names, those in arrays their numbers. A uint8 HostTensor makes an input that takes bytes. The
   * first axis of every input is the `batch`, of any size, unless `dynamicAxes` says otherwise.
   *
   * @param inputSample an input of `forward`. Default: `exampleInputArray`
   * @throws as `exportOnnx`
   */
  async toOnnx(
    path: string,
    inputSample: unknown = this.exampleInputArray,
    options: OnnxExportOptions = {},
  ): Promise<OnnxExport> {
    return exportOnnx(this, path, { ...options, inputs: inputSample });
  }

  /** No parameter trains, and the module is in eval mode. */
  freeze(): void {
    for (const parameter of this.parameters()) parameter.requiresGrad = false;
    this.eval();
  }

  /** Every parameter trains, and the module is in training mode. */
  unfreeze(): void {
    for (const parameter of this.parameters()) parameter.requiresGrad = true;
    this.train();
  }
}

/** A LightningModule whatever its forward pass takes and gives. */
export type AnyLightningModule = LightningModule<never, unknown>;
