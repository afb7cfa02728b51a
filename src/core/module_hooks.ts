/** The hooks a LightningModule may define, in Lightning's names. Callbacks' hooks of the same name run first. */
import type * as tf from "@tensorflow/tfjs-core";
import { Module, type Optimizer } from "../nn/index.js";
import type { Checkpoint } from "./checkpoint/checkpoint.js";
import type { Stage } from "./data_module.js";
import type { Awaitable } from "./types.js";

/**
 * Hooks may be asynchronous, except those that run inside a step: `onBeforeZeroGrad`, `onBeforeBackward`,
 * `onAfterBackward` and `onBeforeOptimizerStep`. Batch hooks are given the host batch, as the loader made it.
 */
export abstract class ModuleHooks<Input = tf.Tensor, Output = tf.Tensor> extends Module<Input, Output> {
  /** Right after the data module's, on one rank of a machine: downloads and what else leaves files, not fields. */
  prepareData?(): Awaitable<void>;
  /** On every rank, before the data are set up: the place to tell `trainer.dataModule` how this module wants its samples. */
  configureData?(): Awaitable<void>;
  /** When the data are set up. */
  setup?(stage: Stage): Awaitable<void>;
  /** Makes layers that need the data's sizes. Called once a run, before weights are loaded: make each layer only once. */
  configureModel?(): Awaitable<void>;
  /** Last of all, when the run has ended well. */
  teardown?(stage: Stage): Awaitable<void>;

  /** The module has its weights and its optimizer; nothing has run. */
  onFitStart?(): Awaitable<void>;
  onFitEnd?(): Awaitable<void>;

  onTrainStart?(): Awaitable<void>;
  onTrainEnd?(): Awaitable<void>;
  onTrainEpochStart?(): Awaitable<void>;
  onTrainEpochEnd?(): Awaitable<void>;
  /** Return -1 to skip the rest of this epoch's batches. */
  onTrainBatchStart?(batch: unknown, batchIdx: number): Awaitable<void | -1>;
  /** `outputs` is what `trainingStep` returned; its tensors are freed after this hook. */
  onTrainBatchEnd?(outputs: unknown, batch: unknown, batchIdx: number): Awaitable<void>;

  onValidationStart?(): Awaitable<void>;
  onValidationEnd?(): Awaitable<void>;
  onValidationEpochStart?(): Awaitable<void>;
  onValidationEpochEnd?(): Awaitable<void>;
  onValidationBatchStart?(batch: unknown, batchIdx: number, dataloaderIdx: number): Awaitable<void>;
  onValidationBatchEnd?(
    outputs: unknown,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;
  /** Instead of giving every submodule the mode it had before. */
  onValidationModelTrain?(): Awaitable<void>;
  /** Before validation in a fit, unless gradients wait for more batches. They are freed after each update anyway. */
  onValidationModelZeroGrad?(): Awaitable<void>;

  onTestStart?(): Awaitable<void>;
  onTestEnd?(): Awaitable<void>;
  onTestEpochStart?(): Awaitable<void>;
  onTestEpochEnd?(): Awaitable<void>;
  onTestBatchStart?(batch: unknown, batchIdx: number, dataloaderIdx: number): Awaitable<void>;
  onTestBatchEnd?(outputs: unknown, batch: unknown, batchIdx: number, dataloaderIdx: number): Awaitable<void>;
  /** Instead of giving every submodule the mode it had before. */
  onTestModelTrain?(): Awaitable<void>;

  onPredictStart?(): Awaitable<void>;
  onPredictEnd?(): Awaitable<void>;
  onPredictEpochStart?(): Awaitable<void>;
  onPredictEpochEnd?(): Awaitable<void>;
  onPredictBatchStart?(batch: unknown, batchIdx: number, dataloaderIdx: number): Awaitable<void>;
  /** `outputs` is in host memory. */
  onPredictBatchEnd?(
    outputs: unknown,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;
  /** Instead of giving every submodule the mode it had before. */
  onPredictModelTrain?(): Awaitable<void>;

  /** After the forward pass, before the gradients of the last update are forgotten. */
  onBeforeZeroGrad?(optimizer: Optimizer): void;
  onBeforeBackward?(loss: tf.Scalar): void;
  /** Each parameter's `grad` is set, the sum over the window so far. */
  onAfterBackward?(): void;
  /** Before gradients are clipped. They are freed after the step: this is the last place to look at them. */
  onBeforeOptimizerStep?(optimizer: Optimizer): void;

  /** Add to `checkpoint.extra` what else has to be saved. */
  onSaveCheckpoint?(checkpoint: Checkpoint): Awaitable<void>;
  /** Called before the weights are loaded. */
  onLoadCheckpoint?(checkpoint: Checkpoint): Awaitable<void>;
}
