/** The base of callbacks that write predictions somewhere while they are made. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { AnyLightningModule } from "../lightning_module.js";
import { batchSizesOf } from "../logging/batch_size.js";
import type { Trainer } from "../trainer.js";
import type { Awaitable } from "../types.js";
import { Callback } from "./callback.js";

/** When predictions are written: after each batch, at the end, or both. */
export type WriteInterval = "batch" | "epoch" | "batch_and_epoch";

/** Options of `BasePredictionWriter`. */
export interface PredictionWriterOptions {
  /** Whether to write after each batch, once at the end, or both. Default: "batch". */
  writeInterval?: WriteInterval;
}

/**
 * Define `writeOnBatchEnd`, `writeOnEpochEnd` or both. Predictions are in host memory. `batchIndices` are the places of a
 * batch's samples in their loader's order, which in a loader that does not shuffle are their numbers in the data set. With
 * several ranks each writes what it has predicted.
 */
export abstract class BasePredictionWriter extends Callback {
  readonly writeInterval: WriteInterval;
  #predictions: unknown[][] = [];
  #indices: number[][][] = [];
  /** Samples so far of each loader. */
  #counts: number[] = [];

  /** @throws ConfigurationError `ERR_PREDICTION_WRITER` for another interval */
  constructor({ writeInterval = "batch" }: PredictionWriterOptions = {}) {
    super();
    const intervals = ["batch", "epoch", "batch_and_epoch"];
    if (!intervals.includes(writeInterval)) {
      throw writerError(
        `${this.constructor.name} was given the writeInterval ${JSON.stringify(writeInterval)}. ` +
          describeChoices(String(writeInterval), intervals),
      );
    }
    this.writeInterval = writeInterval;
  }

  writeOnBatchEnd?(
    trainer: Trainer,
    module: AnyLightningModule,
    prediction: unknown,
    batchIndices: readonly number[],
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Awaitable<void>;

  /** @param predictions of each loader, of each batch; `batchIndices` likewise */
  writeOnEpochEnd?(
    trainer: Trainer,
    module: AnyLightningModule,
    predictions: readonly (readonly unknown[])[],
    batchIndices: readonly (readonly (readonly number[])[])[],
  ): Awaitable<void>;

  /** @throws ConfigurationError `ERR_PREDICTION_WRITER` where the method that the interval asks for is missing */
  override setup(_trainer: Trainer, _module: AnyLightningModule, stage: string): void {
    if (stage !== "predict") return;
    if (this.#writesBatches) this.#require("writeOnBatchEnd");
    if (this.#writesEpochs) this.#require("writeOnEpochEnd");
    this.#forget();
  }

  override async onPredictBatchEnd(
    trainer: Trainer,
    module: AnyLightningModule,
    outputs: unknown,
    batch: unknown,
    batchIdx: number,
    dataloaderIdx: number,
  ): Promise<void> {
    const length = batchSizesOf(batch)[0] ?? 1;
    const others = batchesOfOthers(trainer, batchIdx);
    const batchSize = trainer.predictDataloaders[dataloaderIdx]?.batchSize ?? length;
    const count = this.#counts[dataloaderIdx] ?? 0;
    const indices = Array.from({ length }, (_, i) => count + others * batchSize + i);
    this.#counts[dataloaderIdx] = count + length;
    if (this.#writesBatches) {
      await this.writeOnBatchEnd?.(trainer, module, outputs, indices, batch, batchIdx, dataloaderIdx);
    }
    if (!this.#writesEpochs) return;
    (this.#predictions[dataloaderIdx] ??= []).push(outputs);
    (this.#indices[dataloaderIdx] ??= []).push(indices);
  }

  override async onPredictEpochEnd(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    if (this.#writesEpochs) await this.writeOnEpochEnd?.(trainer, module, this.#predictions, this.#indices);
    this.#forget();
  }

  get #writesBatches(): boolean {
    return this.writeInterval !== "epoch";
  }

  get #writesEpochs(): boolean {
    return this.writeInterval !== "batch";
  }

  #forget(): void {
    this.#predictions = [];
    this.#indices = [];
    this.#counts = [];
  }

  #require(method: "writeOnBatchEnd" | "writeOnEpochEnd"): void {
    if (typeof this[method] === "function") return;
    throw writerError(
      `${this.constructor.name} has writeInterval ${JSON.stringify(this.writeInterval)} and no method ${method}. ` +
        "Add it, or choose another interval.",
    );
  }
}

/** How many batches other ranks have taken before this rank's. */
function batchesOfOthers({ strategy, options }: Trainer, batchIdx: number): number {
  const { worldSize, globalRank } = strategy;
  return options.useDistributedSampler ? batchIdx * (worldSize - 1) + globalRank : 0;
}

function writerError(message: string): ConfigurationError {
  return new ConfigurationError("ERR_PREDICTION_WRITER", message);
}
