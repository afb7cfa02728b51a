/** What every task has besides the Trainer's hooks. */
import type * as tf from "@tensorflow/tfjs-core";
import { LightningModule, type GradientClipAlgorithm } from "../core/index.js";
import type { Optimizer } from "../nn/index.js";
import type { RunningServer, ServeOptions } from "../serve/index.js";
import { serveTask } from "./serve_task.js";

const GRADIENT_CLIP_NORM = 1;

/** Gradients are clipped to norm 1, unless the Trainer's options say otherwise. */
export abstract class Task<Input, Output = tf.Tensor> extends LightningModule<Input, Output> {
  override configureGradientClipping(
    optimizer: Optimizer,
    gradientClipVal = GRADIENT_CLIP_NORM,
    gradientClipAlgorithm: GradientClipAlgorithm = "norm",
  ): void {
    this.clipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);
  }

  /** Writes the task to one file. */
  abstract save(path: string): Promise<void>;

  /**
   * Serves the task as it is now over HTTP, in a process of its own: see docs/server.md.
   *
   * @throws ConfigurationError `ERR_SERVE_BACKBONE` for a task with a backbone of your own; `ERR_SERVE_OPTION`
   * @throws CheckpointError `ERR_FILE_WRITE`
   */
  async serve(options?: ServeOptions): Promise<RunningServer> {
    return serveTask(this, options);
  }
}
