/** The base class of everything that is trained: a Module that knows its steps, its optimizer and what it logs. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { clipGradNorm, type LrScheduler, type Optimizer } from "../nn/index.js";
import type { Callback } from "./callbacks/callback.js";
import type { OptimizerConfiguration } from "./configure_optimizers.js";
import { parametersOf } from "./gradients.js";
import type { BatchLoader } from "./data_module.js";
import type { LogOptions } from "./logging/log_rules.js";
import type { LogValue } from "./logging/metrics_hub.js";
import { ModuleHooks } from "./module_hooks.js";
import type { Trainer } from "./trainer.js";
import type { Awaitable } from "./types.js";

/** What a training step returns: the loss, alone or with other values for `onTrainBatchEnd`. */
export type TrainingStepOutput = tf.Tensor | { loss: tf.Tensor; [name: string]: unknown };

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
  #trainer: Trainer | undefined;
  #hparams: Record<string, unknown> = {};

  /** The loss of one batch. */
  abstract trainingStep(batch: unknown, batchIdx: number): TrainingStepOutput;
  /** Logs what is worth knowing about one batch. Without this method there is no validation. */
  validationStep?(batch: unknown, batchIdx: number): unknown;
  testStep?(batch: unknown, batchIdx: number): unknown;

  /** The predictions for one batch: tensors with the batch as first axis, nested as you like. Default: `forward(batch)`. */
  predictStep(batch: unknown, _batchIdx: number): unknown {
    return this.forward(batch as Input);
  }

  /** The optimizer, alone or with its schedule. Called once per fit; `trainer.estimatedSteppingBatches` is known. */
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
  onBeforeBatchTransfer(batch: unknown): Awaitable<unknown> {
    return batch;
  }

  /** Changes a batch on the device, inside the step: normalisation, mixing of samples. Synchronous. */
  onAfterBatchTransfer(batch: unknown): unknown {
    return batch;
  }

  /**
   * Replaces a loader before it is used, for example one of pixels by one of cached features. Called once for each
   * loader of a run, before `configureOptimizers`, when the module has its weights and its layers are frozen.
   */
  processDataloader(loader: BatchLoader, _part: LoaderPart): Awaitable<BatchLoader> {
    return loader;
  }

  /** Limits the gradients before the optimizer's step. Default: their common norm, to the Trainer's `gradientClipVal`. */
  configureGradientClipping(optimizer: Optimizer, gradientClipVal: number | undefined): void {
    if (gradientClipVal !== undefined) clipGradNorm(parametersOf(optimizer), gradientClipVal);
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
   * Where both `onStep` and `onEpoch` are set, the names are `name_step` and `name_epoch`. Without a Trainer this does
   * nothing, so that steps can be tested alone.
   *
   * @throws ConfigurationError `ERR_LOG_…` where the hook does not allow it or the value is not one number
   */
  log(name: string, value: LogValue, options: LogOptions = {}): void {
    this.#trainer?.log(name, value, options);
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

  /** @internal Called by the Trainer. */
  attachTrainer(trainer: Trainer): void {
    this.#trainer = trainer;
  }

  /** Complete passes over the training data so far; 0 without a Trainer. */
  get currentEpoch(): number {
    return this.#trainer?.currentEpoch ?? 0;
  }

  /** Optimizer steps so far; 0 without a Trainer. */
  get globalStep(): number {
    return this.#trainer?.globalStep ?? 0;
  }

  /** The options this module was made with. They are logged, and saved in checkpoints as JSON. */
  get hparams(): Readonly<Record<string, unknown>> {
    return this.#hparams;
  }

  /** Call it in the constructor with the options object. */
  saveHyperparameters(hparams: object): void {
    this.#hparams = { ...hparams };
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

/** What `Trainer.finetune` asks of a module: it alone knows which of its layers are the backbone. */
export interface Finetunable {
  /**
   * Freezes or frees layers for a strategy. Called before the loaders are requested and the optimizer is made.
   *
   * @throws ConfigurationError for a strategy that it does not know or cannot do
   */
  configureFinetuning(strategy: string): Awaitable<void>;
}
