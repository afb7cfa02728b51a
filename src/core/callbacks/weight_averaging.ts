/** Averages the weights while a module trains, validates and saves the average, and leaves it in the module. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { AveragedWeights, equalAverage, type AverageFunction } from "./averaging/averaged_weights.js";
import { Callback } from "./callback.js";

/** Options of `WeightAveraging`. */
export interface WeightAveragingOptions {
  /** Whether float buffers, such as batch norms' statistics, are averaged too; otherwise the latest count. Default: true. */
  useBuffers?: boolean;
  /** The next average. Default: every update counts the same. */
  average?: AverageFunction;
}

/** When an update may be due: after an optimizer step or after an epoch, both counted from 0. */
export interface AveragingMoment {
  stepIdx?: number;
  epochIdx?: number;
}

interface SavedState {
  current: Record<string, HostTensor>;
  numAveraged: number;
}

/**
 * By default an update follows every optimizer step; override `shouldUpdate` to choose. In validation the module has the
 * averaged weights. Checkpoints hold them as its weights, and its own beside, so that training goes on where it was.
 */
export class WeightAveraging extends Callback {
  readonly #useBuffers: boolean;
  readonly #average: AverageFunction;
  #weights: AveragedWeights | undefined;
  #latestUpdateStep = 0;
  #latestUpdateEpoch = -1;

  constructor({ useBuffers = true, average = equalAverage }: WeightAveragingOptions = {}) {
    super();
    this.#useBuffers = useBuffers;
    this.#average = average;
  }

  /** How many values the average has. */
  get numAveraged(): number {
    return this.#weights?.numAveraged ?? 0;
  }

  shouldUpdate({ stepIdx }: AveragingMoment): boolean {
    return stepIdx !== undefined;
  }

  override setup(_trainer: Trainer, module: AnyLightningModule, stage: string): void {
    if (stage !== "fit") return;
    this.#weights?.dispose();
    this.#weights = new AveragedWeights(module, this.#useBuffers);
    this.#latestUpdateStep = 0;
    this.#latestUpdateEpoch = -1;
  }

  override onTrainBatchEnd({ globalStep }: Trainer): void {
    if (globalStep <= this.#latestUpdateStep || !this.shouldUpdate({ stepIdx: globalStep - 1 })) return;
    this.#weights?.update(this.#average);
    this.#latestUpdateStep = globalStep;
  }

  override onTrainEpochEnd({ currentEpoch }: Trainer): void {
    if (currentEpoch <= this.#latestUpdateEpoch || !this.shouldUpdate({ epochIdx: currentEpoch })) return;
    this.#weights?.update(this.#average);
    this.#latestUpdateEpoch = currentEpoch;
  }

  override onValidationEpochStart(): void {
    this.#weights?.swap();
  }

  override onValidationEpochEnd(): void {
    this.#weights?.swap();
  }

  override onTrainEnd(): void {
    if (this.numAveraged > 0) this.#weights?.transfer();
  }

  override onFitEnd(): void {
    this.#free();
  }

  override onException(): void {
    this.#free();
  }

  override stateDict(): Record<string, unknown> {
    return { latestUpdateStep: this.#latestUpdateStep, latestUpdateEpoch: this.#latestUpdateEpoch };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    this.#latestUpdateStep = state.latestUpdateStep as number;
    this.#latestUpdateEpoch = state.latestUpdateEpoch as number;
  }

  override async onSaveCheckpoint(
    _trainer: Trainer,
    _module: AnyLightningModule,
    checkpoint: Checkpoint,
  ): Promise<void> {
    if (this.#weights === undefined || this.numAveraged === 0) return;
    const { averages, live } = await this.#weights.read();
    checkpoint.stateDict = averages;
    if (checkpoint.optimizerStates === undefined) return;
    const saved: SavedState = { current: live, numAveraged: this.numAveraged };
    checkpoint.extra[this.stateKey] = saved;
  }

  override onLoadCheckpoint(_trainer: Trainer, module: AnyLightningModule, checkpoint: Checkpoint): void {
    const saved = checkpoint.extra[this.stateKey] as SavedState | undefined;
    if (saved === undefined || this.#weights === undefined) return;
    this.#weights.load(checkpoint.stateDict, saved.numAveraged);
    module.loadStateDict(saved.current);
  }

  #free(): void {
    this.#weights?.dispose();
    this.#weights = undefined;
  }
}

/** Options of `EMAWeightAveraging`. */
export interface EMAWeightAveragingOptions {
  /** Share of the average that is kept at an update. Default: 0.999. */
  decay?: number;
  /** Optimizer steps from one update to the next; 0 for none by steps. Default: 1. */
  updateEveryNSteps?: number;
  /** The 0-based step of the first update by steps. Default: 0. */
  updateStartingAtStep?: number;
  /** The 0-based epoch from which on every epoch's end is an update too. Default: none. */
  updateStartingAtEpoch?: number;
  /** As WeightAveraging's. Default: true. */
  useBuffers?: boolean;
}

/** The exponential moving average of the weights: `decay · average + (1 - decay) · weights`. */
export class EMAWeightAveraging extends WeightAveraging {
  readonly #everyNSteps: number;
  readonly #fromStep: number;
  readonly #fromEpoch: number | undefined;

  /** @throws ConfigurationError `ERR_WEIGHT_AVERAGING` for a decay outside [0, 1] or a count that is none */
  constructor({
    decay = 0.999,
    updateEveryNSteps = 1,
    updateStartingAtStep = 0,
    updateStartingAtEpoch,
    useBuffers = true,
  }: EMAWeightAveragingOptions = {}) {
    super({
      useBuffers,
      average: (average, value) =>
        tf.add(tf.mul(average, tf.scalar(decay)), tf.mul(value, tf.scalar(1 - decay))),
    });
    if (!(decay >= 0 && decay <= 1)) throw averagingError("decay", decay, "a number from 0 to 1");
    const counts = { updateEveryNSteps, updateStartingAtStep, updateStartingAtEpoch };
    for (const [option, count] of Object.entries(counts)) {
      if (count === undefined || (Number.isSafeInteger(count) && count >= 0)) continue;
      throw averagingError(option, count, "an integer >= 0");
    }
    this.#everyNSteps = updateEveryNSteps;
    this.#fromStep = updateStartingAtStep;
    this.#fromEpoch = updateStartingAtEpoch;
  }

  override shouldUpdate({ stepIdx, epochIdx }: AveragingMoment): boolean {
    if (stepIdx !== undefined) {
      return this.#everyNSteps > 0 && stepIdx >= this.#fromStep && stepIdx % this.#everyNSteps === 0;
    }
    return this.#fromEpoch !== undefined && epochIdx !== undefined && epochIdx >= this.#fromEpoch;
  }
}

function averagingError(option: string, value: number, expected: string): ConfigurationError {
  return new ConfigurationError(
    "ERR_WEIGHT_AVERAGING",
    `EMAWeightAveraging's ${option} must be ${expected}, not ${value}.`,
  );
}
