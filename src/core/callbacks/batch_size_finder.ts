/** Finds the largest batch size that fits into memory before training begins. */
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { findBatchSize, type ScaleBatchSizeOptions } from "../tuner/tuner.js";
import { Callback } from "./callback.js";

/** `Tuner.scaleBatchSize` within fit. A fit that goes on from a checkpoint, or a `fastDevRun`, goes without. */
export class BatchSizeFinder extends Callback {
  readonly #options: ScaleBatchSizeOptions;
  /** What the last fit found. */
  optimalBatchSize: number | undefined;

  constructor(options: ScaleBatchSizeOptions = {}) {
    super();
    this.#options = options;
  }

  override async tune(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    this.optimalBatchSize = await findBatchSize(trainer, module, trainer.dataModule!, this.#options);
  }
}
