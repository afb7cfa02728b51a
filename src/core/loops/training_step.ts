/**
 * One training step: from a host batch to updated parameters. It is recorded in one synchronous scope that leaves no tensor
 * behind, and computed while the event loop goes on.
 */
import * as tf from "@tensorflow/tfjs-core";
import { runStep } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import type { Optimizer } from "../../nn/index.js";
import { AnomalyDetector } from "../anomaly/anomaly_detector.js";
import { parametersOf, scaleGradients } from "../gradients.js";
import { refusePromise, type Hooks } from "../hooks.js";
import { LightningOptimizer } from "../lightning_optimizer.js";
import type { Strategy } from "../strategies/index.js";
import { isTensor } from "../../nested.js";
import { detach, release } from "./outputs.js";
import { toDeviceBatch } from "./transfer.js";

/** What the step needs to know of the Trainer. */
interface Settings {
  readonly currentEpoch: number;
  /** May change from one window to the next. */
  readonly accumulateGradBatches: number;
  readonly options: {
    readonly gradientClipVal: number | undefined;
    readonly gradientClipAlgorithm: "norm" | "value";
    readonly detectAnomaly: boolean;
  };
}

/**
 * Gradients of `accumulateGradBatches` batches are averaged before the optimizer steps; a shorter last window of an epoch
 * is averaged over its true size. Batches that `trainingStep` skips do not count.
 */
export class TrainingStep {
  readonly #hooks: Hooks;
  readonly #strategy: Strategy;
  readonly #optimizer: Optimizer;
  /** The same as `optimizerStep` is given it. */
  readonly #steppable: LightningOptimizer;
  readonly #settings: Settings;
  readonly #detector: AnomalyDetector | undefined;
  /** Batches of the open window, and those of them that gave gradients. */
  #batches = 0;
  #accumulated = 0;
  /** Whether the window that ends has gradients, of this rank or others. */
  #hasGradients = false;

  constructor(hooks: Hooks, strategy: Strategy, optimizer: Optimizer, settings: Settings) {
    this.#hooks = hooks;
    this.#strategy = strategy;
    this.#optimizer = optimizer;
    this.#steppable = new LightningOptimizer(optimizer, () =>
      hooks.profile("optimizerStep", () => strategy.optimizerStep(optimizer)),
    );
    this.#settings = settings;
    if (settings.options.detectAnomaly)
      this.#detector = new AnomalyDetector(hooks.module, strategy.precision);
  }

  /** Whether gradients wait for more batches. */
  get isAccumulating(): boolean {
    return this.#batches > 0;
  }

  /** @returns what `trainingStep` gave, to be disposed by the caller, and how often the optimizer stepped */
  async run(batch: unknown, batchIdx: number, isLast: boolean): Promise<{ outputs: unknown; steps: number }> {
    const isUpdate = isLast || this.#batches + 1 >= this.#settings.accumulateGradBatches;
    let outputs: unknown;
    let steps = 0;
    try {
      await this.#hooks.profile("runStep", () =>
        runStep(() =>
          tf.tidy(() => {
            const deviceBatch = toDeviceBatch(this.#hooks, batch, 0);
            const backward = () =>
              this.#backward(deviceBatch, batchIdx, (output) => (outputs = detach(output)));
            if (isUpdate) steps = this.#update(batchIdx, backward);
            else this.#strategy.noBackwardSync(backward);
          }),
        ),
      );
    } catch (error) {
      release(outputs);
      throw error;
    }
    return { outputs, steps };
  }

  /** Batches whose gradients wait for the optimizer. */
  get accumulated(): number {
    return this.#accumulated;
  }

  /** To be set where those gradients come back from a checkpoint. */
  set accumulated(batches: number) {
    this.#batches = batches;
    this.#accumulated = batches;
  }

  /** Forgets gradients that no update will use. */
  dropGradients(): void {
    this.#batches = 0;
    this.#accumulated = 0;
    this.#optimizer.zeroGrad();
  }

  /** @param keepOutput is called on the tape, whose own scope frees all but the loss */
  #backward(deviceBatch: unknown, batchIdx: number, keepOutput: (output: unknown) => void): void {
    const { module } = this.#hooks;
    const isFirst = this.#batches === 0;
    this.#batches++;
    const forward = () => {
      const output = this.#hooks.callHook(module, "trainingStep", deviceBatch, batchIdx);
      refusePromise("trainingStep", output);
      if (output === null) throw new SkippedBatch();
      const loss = lossOf(output);
      keepOutput(output);
      if (isFirst) this.#zeroGradients(batchIdx);
      this.#hooks.callAllNow("onBeforeBackward", loss);
      const window = this.#settings.accumulateGradBatches;
      return window === 1 ? loss : tf.div<tf.Scalar>(loss, window);
    };
    const parameters = parametersOf(this.#optimizer);
    const compute = () => this.#strategy.backward(forward, parameters);
    const detector = this.#detector;
    const hasLoss = unlessSkipped(detector === undefined ? compute : () => detector.watch(batchIdx, compute));
    if (!hasLoss) return this.#strategy.skipBackward(parameters);
    this.#accumulated++;
    this.#hooks.callAllNow("onAfterBackward");
  }

  #zeroGradients(batchIdx: number): void {
    this.#hooks.callAllNow("onBeforeZeroGrad", this.#optimizer);
    this.#hooks.callNow("optimizerZeroGrad", this.#settings.currentEpoch, batchIdx, this.#optimizer);
  }

  /** @returns how often the optimizer stepped: not at all where every batch of the window was skipped */
  #update(batchIdx: number, backward: () => void): number {
    let wasCalled = false;
    const closure = () => {
      wasCalled = true;
      backward();
      this.#finishGradients();
    };
    this.#hooks.callNow("optimizerStep", this.#settings.currentEpoch, batchIdx, this.#steppable, closure);
    if (!wasCalled) {
      throw new ConfigurationError(
        "ERR_CLOSURE_NOT_CALLED",
        `${this.#hooks.module.constructor.name}.optimizerStep(epoch, batchIdx, optimizer, closure) did not call closure(), ` +
          "which runs trainingStep and computes the gradients. Call it before optimizer.step().",
      );
    }
    const steps = this.#hasGradients ? 1 : 0;
    this.dropGradients();
    return steps;
  }

  /** What happens to a window's gradients before the optimizer's step. */
  #finishGradients(): void {
    const accumulated = this.#strategy.averageBatches(this.#accumulated);
    this.#hasGradients = accumulated > 0;
    if (!this.#hasGradients) return;
    const { accumulateGradBatches: window, options } = this.#settings;
    if (accumulated < window) scaleGradients(this.#optimizer, window / accumulated);
    this.#strategy.unscaleGradients(this.#optimizer);
    this.#hooks.callAllNow("onBeforeOptimizerStep", this.#optimizer);
    const { gradientClipVal, gradientClipAlgorithm } = options;
    this.#hooks.callNow("configureGradientClipping", this.#optimizer, gradientClipVal, gradientClipAlgorithm);
  }
}

/** Leaves the tape when there is nothing to differentiate. */
class SkippedBatch extends Error {}

/** @returns whether the function ran to its end */
function unlessSkipped(compute: () => void): boolean {
  try {
    compute();
    return true;
  } catch (error) {
    if (error instanceof SkippedBatch) return false;
    throw error;
  }
}

function lossOf(output: unknown): tf.Scalar {
  const loss = isTensor(output) ? output : (output as { loss?: unknown } | undefined)?.loss;
  if (isTensor(loss) && loss.size === 1)
    return loss.rank === 0 ? (loss as tf.Scalar) : tf.reshape<tf.Rank.R0>(loss, []);
  const came = isTensor(loss)
    ? `a tensor of shape [${loss.shape.join(", ")}]`
    : `no tensor (${typeof output})`;
  throw new ConfigurationError(
    "ERR_TRAINING_STEP_LOSS",
    "trainingStep must return the loss as a tensor with one element, or an object with it as `loss`; " +
      `it returned ${came}.`,
  );
}
