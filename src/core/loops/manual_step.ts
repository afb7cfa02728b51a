/** One training step of a module that optimizes by itself: it computes gradients and steps its optimizers as it likes. */
import * as tf from "@tensorflow/tfjs-core";
import { markStep } from "../../engine/index.js";
import type { Optimizer } from "../../nn/index.js";
import { AnomalyDetector } from "../anomaly/anomaly_detector.js";
import { refusePromise, type Hooks } from "../hooks.js";
import type { Strategy } from "../strategies/index.js";
import { detach } from "./outputs.js";
import { toDeviceBatch } from "./transfer.js";

export class ManualStep {
  readonly #hooks: Hooks;
  readonly #strategy: Strategy;
  readonly #detector: AnomalyDetector | undefined;
  readonly #onStep: () => void;
  /** Gradients wait for as many batches as the module likes; nobody else knows. */
  readonly isAccumulating = false;
  accumulated = 0;
  #steps = 0;
  #batchIdx = 0;

  /** @param onStep is called after each optimizer step */
  constructor(hooks: Hooks, strategy: Strategy, detectAnomaly: boolean, onStep: () => void) {
    this.#hooks = hooks;
    this.#strategy = strategy;
    if (detectAnomaly) this.#detector = new AnomalyDetector(hooks.module, strategy.precision);
    this.#onStep = onStep;
  }

  /** @returns what `trainingStep` gave, to be disposed by the caller, and how often optimizers stepped */
  run(batch: unknown, batchIdx: number): { outputs: unknown; steps: number } {
    let outputs: unknown;
    this.#steps = 0;
    this.#batchIdx = batchIdx;
    tf.tidy(() => {
      const deviceBatch = toDeviceBatch(this.#hooks, batch, 0);
      const output = this.#hooks.callHook(this.#hooks.module, "trainingStep", deviceBatch, batchIdx);
      refusePromise("trainingStep", output);
      outputs = detach(output);
    });
    this.#hooks.profile("markStep", markStep);
    return { outputs, steps: this.#steps };
  }

  /** Adds the gradients of a loss to those of the parameters that require one. */
  backward(loss: () => tf.Tensor): tf.Scalar {
    const forward = () => {
      const result = loss();
      this.#hooks.callAllNow("onBeforeBackward", result as tf.Scalar);
      return result;
    };
    const parameters = this.#hooks.module.parameters();
    const compute = () => this.#strategy.backward(forward, parameters);
    const value = this.#detector?.watch(this.#batchIdx, compute) ?? compute();
    this.#hooks.callAllNow("onAfterBackward");
    return value;
  }

  step(optimizer: Optimizer): void {
    this.#strategy.unscaleGradients(optimizer);
    this.#hooks.callAllNow("onBeforeOptimizerStep", optimizer);
    this.#hooks.profile("optimizerStep", () => this.#strategy.optimizerStep(optimizer));
    this.#steps++;
    this.#onStep();
  }

  /** They are the module's to drop. */
  dropGradients(): void {}
}
