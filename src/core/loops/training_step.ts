/**
 * One training step: from a host batch to updated parameters. It is recorded in one synchronous scope that leaves no tensor
 * behind, and computed while the event loop goes on.
 */
import * as tf from "@tensorflow/tfjs-core";
import { runStep } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { computeGradients, type Optimizer } from "../../nn/index.js";
import { parametersOf, scaleGradients } from "../gradients.js";
import { refusePromise, type Hooks } from "../hooks.js";
import { isTensor, toDevice } from "../to_device.js";
import { detach, release } from "./outputs.js";

interface Settings {
  accumulateGradBatches: number;
  gradientClipVal: number | undefined;
}

/**
 * Gradients of `accumulateGradBatches` batches are averaged before the optimizer steps; a shorter last window of an epoch
 * is averaged over its true size.
 */
export class TrainingStep {
  readonly #hooks: Hooks;
  readonly #optimizer: Optimizer;
  readonly #settings: Settings;
  /** Batches whose gradients wait for the optimizer. */
  #accumulated = 0;

  constructor(hooks: Hooks, optimizer: Optimizer, settings: Settings) {
    this.#hooks = hooks;
    this.#optimizer = optimizer;
    this.#settings = settings;
  }

  /** @returns what `trainingStep` gave, to be disposed by the caller, and whether the optimizer stepped */
  async run(
    batch: unknown,
    batchIdx: number,
    isLast: boolean,
  ): Promise<{ outputs: unknown; stepped: boolean }> {
    let outputs: unknown;
    try {
      await runStep(() =>
        tf.tidy(() => {
          this.#backward(batch, batchIdx, (output) => (outputs = detach(output)));
          this.#accumulated++;
          if (isLast || this.#accumulated === this.#settings.accumulateGradBatches) this.#update();
        }),
      );
    } catch (error) {
      release(outputs);
      throw error;
    }
    return { outputs, stepped: this.#accumulated === 0 };
  }

  /** Forgets gradients that no update will use. */
  dropGradients(): void {
    this.#accumulated = 0;
    this.#optimizer.zeroGrad();
  }

  /** @param keepOutput is called on the tape, whose own scope frees all but the loss */
  #backward(batch: unknown, batchIdx: number, keepOutput: (output: unknown) => void): void {
    const { module } = this.#hooks;
    const deviceBatch = this.#hooks.callHook(module, "onAfterBatchTransfer", toDevice(batch));
    refusePromise("onAfterBatchTransfer", deviceBatch);
    computeGradients(() => {
      const output = this.#hooks.callHook(module, "trainingStep", deviceBatch, batchIdx);
      refusePromise("trainingStep", output);
      const loss = lossOf(output);
      keepOutput(output);
      if (this.#accumulated === 0) {
        this.#hooks.callAllNow("onBeforeZeroGrad", this.#optimizer);
        this.#optimizer.zeroGrad();
      }
      this.#hooks.callAllNow("onBeforeBackward", loss);
      const window = this.#settings.accumulateGradBatches;
      return window === 1 ? loss : tf.div<tf.Scalar>(loss, window);
    }, parametersOf(this.#optimizer));
    this.#hooks.callAllNow("onAfterBackward");
  }

  #update(): void {
    const { accumulateGradBatches: window, gradientClipVal } = this.#settings;
    if (this.#accumulated < window) scaleGradients(this.#optimizer, window / this.#accumulated);
    this.#hooks.callAllNow("onBeforeOptimizerStep", this.#optimizer);
    this.#hooks.callHook(this.#hooks.module, "configureGradientClipping", this.#optimizer, gradientClipVal);
    this.#optimizer.step();
    this.dropGradients();
  }
}

function lossOf(output: unknown): tf.Scalar {
  const loss = isTensor(output) ? output : (output as { loss?: unknown } | null | undefined)?.loss;
  if (isTensor(loss) && loss.size === 1)
    return loss.rank === 0 ? (loss as tf.Scalar) : tf.reshape<tf.Rank.R0>(loss, []);
  const came = isTensor(loss)
    ? `a tensor of shape [${loss.shape.join(", ")}]`
    : `no tensor (${typeof output})`;
  throw new ConfigurationError(
    "ERR_TRAINING_STEP_LOSS",
    `trainingStep must return the loss as a tensor with one element, or an object with it as \`loss\`; it returned ${came}.`,
  );
}
