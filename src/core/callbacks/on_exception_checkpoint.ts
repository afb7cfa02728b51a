/** Leaves a checkpoint where training fails, and takes it away where it ends well. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";

/** Options of `OnExceptionCheckpoint`. */
export interface OnExceptionCheckpointOptions {
  /** The folder. */
  dirpath: string;
  /** The file's name without extension. Default: "on_exception". */
  filename?: string;
}

/** Go on with `trainer.fit(module, data, { ckptPath: callback.ckptPath })`, or with `ckptPath: "last"`. */
export class OnExceptionCheckpoint extends Callback {
  readonly ckptPath: string;

  constructor({ dirpath, filename = "on_exception" }: OnExceptionCheckpointOptions) {
    super();
    this.ckptPath = join(dirpath, `${filename}.safetensors`);
  }

  override async onException(trainer: Trainer): Promise<void> {
    if (trainer.state.fn === "fit") await trainer.saveCheckpoint(this.ckptPath);
  }

  override async teardown(trainer: Trainer, _module: AnyLightningModule, stage: string): Promise<void> {
    if (stage === "fit") await trainer.checkpointIO.removeCheckpoint(this.ckptPath);
  }

  override findLastCheckpoints(): string[] {
    return existsSync(this.ckptPath) ? [this.ckptPath] : [];
  }
}
