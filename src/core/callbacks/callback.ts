/** A callback: code that runs at the Trainer's events and is not the module's own business. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Optimizer } from "../../nn/index.js";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import type { Stage } from "../data_module.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { Awaitable } from "../types.js";

/**
 * Override the hooks you need. They run before the module's hook of the same name. `module.log()` works in them by the
 * rules of the module's hooks. Those inside a step (`onBeforeZeroGrad`, `onBeforeBackward`, `onAfterBackward`,
 * `onBeforeOptimizerStep`) are synchronous.
 */
export abstract class Callback {
  /** The name its state has in checkpoints. Two callbacks of one class need different ones. */
  get stateKey(): string {
    return this.constructor.name;
  }

  /** Whether `onTrainEpochEnd` runs after the module's, to see what the module logs there. */
  get monitors(): boolean {
    return false;
  }

  setup?(trainer: Trainer, module: AnyLightningModule, stage: Stage): Awaitable<void>;
  teardown?(trainer: Trainer, module: AnyLightningModule, stage: Stage): Awaitable<void>;

  /**
   * Before a fit's loaders are asked for and its optimizer is made, when all else is set up: for callbacks that find
   * out what these should be. Not in a fit that goes on from a checkpoint, nor in a `fastDevRun`.
   */
  tune?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;

  onFitStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onFitEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onSanityCheckStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onSanityCheckEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;

  onTrainStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onTrainEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onTrainEpochStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onTrainEpochEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  /** Return -1 to skip the rest of this epoch's batches. */
  onTrainBatchStart?(
    trainer: Trainer,
    module: AnyLightningModule,
    batch: unknown,
    batchIdx: number,
  ): Awaitable<void | -1>;
  onTrainBatchEnd?(
    trainer: Trainer,
    module: AnyLightningModule,
    outputs: unknown,
    batch: unknown,
    batchIdx: number,
  ): Awaitable<void>;

  onValidationStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onValidationEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onValidationEpochStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onValidationEpochEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onValidationBatchStart?(
    trainer: Trainer,
    module: AnyLightningModule,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;
  onValidationBatchEnd?(
    trainer: Trainer,
    module: AnyLightningModule,
    outputs: unknown,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;

  onTestStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onTestEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onTestEpochStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onTestEpochEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onTestBatchStart?(
    trainer: Trainer,
    module: AnyLightningModule,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;
  onTestBatchEnd?(
    trainer: Trainer,
    module: AnyLightningModule,
    outputs: unknown,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;

  onPredictStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onPredictEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onPredictEpochStart?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onPredictEpochEnd?(trainer: Trainer, module: AnyLightningModule): Awaitable<void>;
  onPredictBatchStart?(
    trainer: Trainer,
    module: AnyLightningModule,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;
  onPredictBatchEnd?(
    trainer: Trainer,
    module: AnyLightningModule,
    outputs: unknown,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;

  onBeforeZeroGrad?(trainer: Trainer, module: AnyLightningModule, optimizer: Optimizer): void;
  onBeforeBackward?(trainer: Trainer, module: AnyLightningModule, loss: tf.Scalar): void;
  onAfterBackward?(trainer: Trainer, module: AnyLightningModule): void;
  onBeforeOptimizerStep?(trainer: Trainer, module: AnyLightningModule, optimizer: Optimizer): void;

  /** The run has failed with this error, which is thrown on afterwards. */
  onException?(trainer: Trainer, module: AnyLightningModule, error: unknown): Awaitable<void>;

  /** The files this callback keeps from which training could go on: `ckptPath: "last"` takes the newest of all. */
  findLastCheckpoints?(trainer: Trainer): Awaitable<string[]>;

  /** What a checkpoint keeps of this callback: plain values and HostTensors. */
  stateDict?(): Record<string, unknown>;
  loadStateDict?(state: Record<string, unknown>): void;
  onSaveCheckpoint?(trainer: Trainer, module: AnyLightningModule, checkpoint: Checkpoint): Awaitable<void>;
  onLoadCheckpoint?(trainer: Trainer, module: AnyLightningModule, checkpoint: Checkpoint): Awaitable<void>;
}
