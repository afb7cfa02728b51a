/** Changes from epoch to epoch how many batches one optimizer step averages. */
import { ConfigurationError } from "../../errors.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";

/** Options of `GradientAccumulationScheduler`. */
export interface GradientAccumulationSchedulerOptions {
  /** Batches a step by the 0-based epoch from which on they hold: `{ 0: 8, 4: 4, 8: 1 }`. Before the first: 1. */
  scheduling: Readonly<Record<number, number>>;
}

/** Changes over how many batches gradients are averaged, from epoch to epoch. */
export class GradientAccumulationScheduler extends Callback {
  readonly scheduling: Readonly<Record<number, number>>;

  /** @throws ConfigurationError `ERR_ACCUMULATION_SCHEDULE` for epochs or counts that are none */
  constructor({ scheduling }: GradientAccumulationSchedulerOptions) {
    super();
    const entries = Object.entries(scheduling).map(([epoch, batches]) => [Number(epoch), batches] as const);
    const isValid = ([epoch, batches]: readonly [number, number]) =>
      Number.isSafeInteger(epoch) && epoch >= 0 && Number.isSafeInteger(batches) && batches >= 1;
    if (entries.length === 0 || !entries.every(isValid)) {
      throw scheduleError(
        "GradientAccumulationScheduler takes scheduling: { epoch: batches } with epochs from 0 and at least one batch, " +
          `such as { 0: 8, 4: 1 }, not ${JSON.stringify(scheduling)}.`,
      );
    }
    this.scheduling = { ...scheduling };
  }

  /** Batches of each step in an epoch. */
  batchesAt(epoch: number): number {
    const starts = Object.keys(this.scheduling).map(Number);
    const start = Math.max(...starts.filter((start) => start <= epoch));
    return this.scheduling[start] ?? 1;
  }

  /** Optimizer steps of so many epochs; Infinity for -1 or epochs of unknown length. */
  steppingBatches(numTrainingBatches: number, maxEpochs: number): number {
    if (maxEpochs === -1 || numTrainingBatches === Infinity) return Infinity;
    let steps = 0;
    for (let epoch = 0; epoch < maxEpochs; epoch++) {
      steps += Math.ceil(numTrainingBatches / this.batchesAt(epoch));
    }
    return steps;
  }

  /** @throws ConfigurationError `ERR_ACCUMULATION_SCHEDULE` beside the Trainer's option, or in manual optimization */
  override setup(trainer: Trainer, module: AnyLightningModule, stage: string): void {
    if (stage !== "fit") return;
    const { accumulateGradBatches } = trainer.options;
    if (accumulateGradBatches !== 1) {
      throw scheduleError(
        `The Trainer was given accumulateGradBatches: ${accumulateGradBatches} and a GradientAccumulationScheduler. ` +
          "Leave one of them out.",
      );
    }
    if (!module.automaticOptimization) {
      throw scheduleError(
        `${module.constructor.name} steps its optimizers itself (automaticOptimization is false), so that a ` +
          "GradientAccumulationScheduler would change nothing. Leave it out, and count batches in trainingStep.",
      );
    }
  }

  override onTrainEpochStart(trainer: Trainer): void {
    trainer.accumulateGradBatches = this.batchesAt(trainer.currentEpoch);
  }
}

function scheduleError(message: string): ConfigurationError {
  return new ConfigurationError("ERR_ACCUMULATION_SCHEDULE", message);
}
