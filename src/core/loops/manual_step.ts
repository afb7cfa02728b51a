/** One training step of a module that optimizes by itself: it computes gradients and steps its optimizers as it likes. */
import * as tf from "@tensorflow/tfjs-core";
import { markStep } from "../../engine/index.js";
import type { Optimizer } from "../../nn/index.js";
import { refusePromise, type Hooks } from "../hooks.js";
import type { Strategy } from "../strategies/index.js";
import { detach } from "./outputs.js";
import { toDeviceBatch } from "./transfer.js";

export class ManualStep {
  readonly #hooks: Hooks;
  readonly #strategy: Strategy;
  readonly #onStep: () => void;
  /** Gradients wait for as many batches as the module likes; nobody else knows. */
  readonly isAccumulating = false;
  accumulated = 0;
  #steps = 0;

  /** @param onStep is called after each optimizer step */
  constructor(hooks: Hooks, strategy: Strategy, onStep: () => void) {
    this.#hooks = hooks;
    this.#strategy = strategy;
    this.#onStep = onStep;
  }

  /** @returns what `trainingStep` gave, to be disposed by the caller, and how often optimizers stepped */
  run(batch: unknown, batchIdx: number): { outputs: unknown; steps: number } {
    let outputs: unknown;
    this.#steps = 0;
    tf.tidy(() => {
      const deviceBatch = toDeviceBatch(this.#hooks, batch, 0);
      const output = this.#hooks.callHook(this.#hooks.module, "trainingStep", deviceBatch, batchIdx);
      refusePromise("trainingStep", output);
      outputs = detach(output);
    });
    markStep();
    return { outputs, steps: this.#steps };
  }

  /** Adds the gradients of a loss to those of the parameters that require one. */
  backward(loss: () => tf.Tensor): tf.Scalar {
    const forward = () => {
      const result = loss();
      this.#hooks.callAllNow("onBeforeBackward", result as tf.Scalar);
      return result;
    };
    const value = this.#strategy.backward(forward, this.#hooks.module.parameters());
    this.#hooks.callAllNow("onAfterBackward");
    return value;
  }

  step(optimizer: Optimizer): void {
    this.#strategy.unscaleGradients(optimizer);
    this.#hooks.callAllNow("onBeforeOptimizerStep", optimizer);
    this.#strategy.optimizerStep(optimizer);
    this.#steps++;
    this.#onStep();
  }

  /** They are the module's to drop. */
  dropGradients(): void {}
}
