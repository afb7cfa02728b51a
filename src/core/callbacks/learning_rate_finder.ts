/** Finds a learning rate before training begins. */
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { LrFinder } from "../tuner/lr_finder.js";
import { findLearningRate, type LrFindOptions } from "../tuner/tuner.js";
import { Callback } from "./callback.js";

/** `Tuner.lrFind` within fit. A fit that goes on from a checkpoint, or a `fastDevRun`, goes without. */
export class LearningRateFinder extends Callback {
  readonly #options: LrFindOptions;
  /** What the last fit found. */
  optimalLr: LrFinder | undefined;

  constructor(options: LrFindOptions = {}) {
    super();
    this.#options = options;
  }

  override async tune(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    this.optimalLr = await findLearningRate(trainer, module, trainer.dataModule!, this.#options);
  }
}
