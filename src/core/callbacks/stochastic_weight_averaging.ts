/** Averages the weights of the last epochs, trained at a learning rate of their own. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { AveragedWeights, equalAverage, type AverageFunction } from "./averaging/averaged_weights.js";
import { updateBatchNorm } from "./averaging/batch_norm_statistics.js";
import { Callback } from "./callback.js";

/** Options of `StochasticWeightAveraging`. */
export interface StochasticWeightAveragingOptions {
  /** The learning rate while averaging, for all parameter groups or for each. */
  swaLrs: number | readonly number[];
  /** The first epoch that is averaged: its number counted from 1, or below 1 a share of `maxEpochs`. Default: 0.8. */
  swaEpochStart?: number;
  /** Epochs in which the learning rate moves to `swaLrs`; 0 for at once. Default: 10. */
  annealingEpochs?: number;
  /** How it moves. Default: "cos". */
  annealingStrategy?: "cos" | "linear";
  /** The next average. Default: every epoch counts the same. */
  average?: AverageFunction;
}

/**
 * SWA (Izmailov et al., 2018, https://arxiv.org/abs/1803.05407), as PyTorch's recipe has it: from `swaEpochStart` on, the
 * weights at each epoch's end are averaged. At the end the module gets the average, and batch norms their statistics in one
 * more pass over the training data without gradients. While averaging, the scheduler's learning rates are replaced at the
 * start of each batch. Needs `maxEpochs` and one optimizer.
 */
export class StochasticWeightAveraging extends Callback {
  readonly #options: Required<StochasticWeightAveragingOptions>;
  #weights: AveragedWeights | undefined;
  #start = 0;
  /** The learning rate of each group when averaging began. */
  #initialLrs: number[] | undefined;
  #latestUpdateEpoch = -1;

  /** @throws ConfigurationError `ERR_SWA` for options out of range */
  constructor({
    swaLrs,
    swaEpochStart = 0.8,
    annealingEpochs = 10,
    annealingStrategy = "cos",
    average = equalAverage,
  }: StochasticWeightAveragingOptions) {
    super();
    const isShare = swaEpochStart > 0 && swaEpochStart < 1;
    check(
      [swaLrs].flat().length > 0 && [swaLrs].flat().every((lr) => lr > 0 && Number.isFinite(lr)),
      "swaLrs must be a learning rate above 0 or one for each parameter group",
      swaLrs,
    );
    check(
      isShare || (Number.isSafeInteger(swaEpochStart) && swaEpochStart >= 1),
      "swaEpochStart must be an epoch counted from 1, or a share of maxEpochs between 0 and 1",
      swaEpochStart,
    );
    check(
      Number.isSafeInteger(annealingEpochs) && annealingEpochs >= 0,
      "annealingEpochs must be an integer >= 0",
      annealingEpochs,
    );
    if (annealingStrategy !== "cos" && annealingStrategy !== "linear") {
      throw swaError(
        `annealingStrategy cannot be ${JSON.stringify(annealingStrategy)}. ` +
          describeChoices(String(annealingStrategy), ["cos", "linear"]),
      );
    }
    this.#options = { swaLrs, swaEpochStart, annealingEpochs, annealingStrategy, average };
  }

  /** How many epochs the average has. */
  get numAveraged(): number {
    return this.#weights?.numAveraged ?? 0;
  }

  /** @throws ConfigurationError `ERR_SWA` without an end of training */
  override setup(trainer: Trainer, module: AnyLightningModule, stage: string): void {
    if (stage !== "fit") return;
    const { maxEpochs } = trainer.options;
    check(maxEpochs > 0, "needs a Trainer with maxEpochs, to know when to begin", maxEpochs);
    const { swaEpochStart } = this.#options;
    const epoch = swaEpochStart < 1 ? Math.floor(maxEpochs * swaEpochStart) : swaEpochStart;
    this.#start = Math.max(epoch - 1, 0);
    this.#weights?.dispose();
    this.#weights = new AveragedWeights(module, false);
    this.#initialLrs = undefined;
    this.#latestUpdateEpoch = -1;
  }

  /** @throws ConfigurationError `ERR_SWA` with several optimizers, or another number of learning rates than of groups */
  override onFitStart(trainer: Trainer): void {
    check(trainer.optimizers.length === 1, "works with one optimizer", trainer.optimizers.length);
    const { swaLrs } = this.#options;
    const groups = trainer.optimizers[0]!.paramGroups.length;
    const fits = typeof swaLrs === "number" || swaLrs.length === groups;
    check(fits, `swaLrs must be one number or one for each of the ${groups} parameter groups`, swaLrs);
  }

  override onTrainBatchStart(trainer: Trainer): void {
    const epoch = trainer.currentEpoch - this.#start;
    if (epoch < 0) return;
    const groups = trainer.optimizers[0]!.paramGroups;
    this.#initialLrs ??= groups.map(({ lr }) => lr);
    const share = this.#annealed(epoch);
    const { swaLrs } = this.#options;
    groups.forEach((group, i) => {
      const swaLr = typeof swaLrs === "number" ? swaLrs : swaLrs[i]!;
      group.lr = swaLr * share + (this.#initialLrs![i] ?? swaLr) * (1 - share);
    });
  }

  override onTrainEpochEnd({ currentEpoch }: Trainer): void {
    if (currentEpoch < this.#start || currentEpoch <= this.#latestUpdateEpoch) return;
    this.#weights?.update(this.#options.average);
    this.#latestUpdateEpoch = currentEpoch;
  }

  override async onTrainEnd(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    if (this.numAveraged === 0) return;
    this.#weights?.transfer(true);
    await updateBatchNorm(module, (afterBatch) => trainer.forwardTrainingData(afterBatch));
  }

  override onFitEnd(): void {
    this.#free();
  }

  override onException(): void {
    this.#free();
  }

  override stateDict(): Record<string, unknown> {
    const initialLrs = this.#initialLrs;
    return {
      latestUpdateEpoch: this.#latestUpdateEpoch,
      ...(initialLrs === undefined ? {} : { initialLrs }),
    };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    this.#latestUpdateEpoch = state.latestUpdateEpoch as number;
    this.#initialLrs = state.initialLrs as number[] | undefined;
  }

  /** Only a checkpoint to go on from holds the average: its weights are those that train. */
  override async onSaveCheckpoint(
    _trainer: Trainer,
    _module: unknown,
    checkpoint: Checkpoint,
  ): Promise<void> {
    if (this.#weights === undefined || this.numAveraged === 0 || checkpoint.optimizerStates === undefined)
      return;
    const { averages } = await this.#weights.read();
    checkpoint.extra[this.stateKey] = { averages, numAveraged: this.numAveraged };
  }

  override onLoadCheckpoint(_trainer: Trainer, _module: unknown, checkpoint: Checkpoint): void {
    const saved = checkpoint.extra[this.stateKey] as
      { averages: Record<string, HostTensor>; numAveraged: number } | undefined;
    if (saved !== undefined) this.#weights?.load(saved.averages, saved.numAveraged);
  }

  /** How far the learning rate has moved, so many epochs after the start. */
  #annealed(epoch: number): number {
    const { annealingEpochs, annealingStrategy } = this.#options;
    if (annealingEpochs === 0) return 1;
    const progress = Math.min(1, epoch / annealingEpochs);
    return annealingStrategy === "linear" ? progress : (1 - Math.cos(Math.PI * progress)) / 2;
  }

  #free(): void {
    this.#weights?.dispose();
    this.#weights = undefined;
  }
}

function check(holds: boolean, rule: string, came: unknown): void {
  if (!holds) throw swaError(`${rule}, not ${JSON.stringify(came) ?? String(came)}.`);
}

function swaError(problem: string): ConfigurationError {
  return new ConfigurationError("ERR_SWA", `StochasticWeightAveraging: ${problem}`);
}
