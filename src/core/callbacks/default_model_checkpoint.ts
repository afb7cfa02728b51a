/** The ModelCheckpoint of modules with a `monitor`: it needs validation data and keeps out of the way without. */
import type { Trainer } from "../trainer.js";
import { ModelCheckpoint } from "./model_checkpoint.js";

export class DefaultModelCheckpoint extends ModelCheckpoint {
  override async onTrainEpochEnd(trainer: Trainer): Promise<void> {
    if (trainer.validatedEpoch !== undefined) await super.onTrainEpochEnd(trainer);
  }
}
