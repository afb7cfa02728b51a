/**
 * Loss scaling: small gradients vanish in float16, so the loss is multiplied before the backward pass and the gradients are
 * divided after it (Micikevicius et al., "Mixed precision training", 2018). The rules are those of PyTorch's GradScaler.
 */
import * as tf from "@tensorflow/tfjs-core";
import { CheckpointError, ConfigurationError } from "../../errors.js";
import type { Optimizer } from "../../nn/index.js";
import { parametersOf, scaleGradients } from "../gradients.js";

/** Options of `GradScaler`. */
export interface GradScalerOptions {
  /** The first scale, > 0. Default: 65536. */
  initScale?: number;
  /** What the scale is multiplied with after `growthInterval` good steps, > 1. Default: 2. */
  growthFactor?: number;
  /** What the scale is multiplied with after a step with gradients that are not finite, between 0 and 1. Default: 0.5. */
  backoffFactor?: number;
  /** Good steps in a row before the scale grows, an integer >= 1. Default: 2000. */
  growthInterval?: number;
}

/** What a checkpoint keeps of a GradScaler. */
export interface GradScalerState {
  scale: number;
  growthFactor: number;
  backoffFactor: number;
  growthInterval: number;
  /** Good steps since the scale last changed. */
  growthTracker: number;
}

/** Whether an optimizer's gradients are finite, and whether it has stepped since the last `update`. */
interface OptimizerProgress {
  readonly isFinite: boolean;
  stepped: boolean;
}

/**
 * A step is `scale` in the backward pass, `unscale` where gradients are looked at before the step, `step`, `update`. A step
 * whose gradients are not finite is left out.
 */
export class GradScaler {
  #state: GradScalerState;
  readonly #optimizers = new Map<Optimizer, OptimizerProgress>();

  /** @throws ConfigurationError `ERR_GRAD_SCALER` for a number out of its range */
  constructor({
    initScale = 2 ** 16,
    growthFactor = 2,
    backoffFactor = 0.5,
    growthInterval = 2000,
  }: GradScalerOptions = {}) {
    check("initScale", initScale, initScale > 0 && initScale < Infinity, "above 0");
    check("growthFactor", growthFactor, growthFactor > 1 && growthFactor < Infinity, "above 1");
    check("backoffFactor", backoffFactor, backoffFactor > 0 && backoffFactor < 1, "between 0 and 1");
    const isCount = Number.isSafeInteger(growthInterval) && growthInterval >= 1;
    check("growthInterval", growthInterval, isCount, "that is an integer >= 1");
    this.#state = { scale: initScale, growthFactor, backoffFactor, growthInterval, growthTracker: 0 };
  }

  /** What the loss is multiplied with now. */
  get currentScale(): number {
    return this.#state.scale;
  }

  /** The loss times the scale. */
  scale(loss: tf.Tensor): tf.Tensor {
    return tf.mul(loss, tf.scalar(this.currentScale));
  }

  /**
   * Divides the optimizer's gradients by the scale, and reads whether all of them are finite.
   *
   * @param agree makes one answer of those of all ranks, where each has a part of the gradients
   * @throws ConfigurationError `ERR_GRAD_SCALER` where that is done since the last `update`
   */
  unscale(optimizer: Optimizer, agree: (isFinite: boolean) => boolean = (isFinite) => isFinite): void {
    if (this.#optimizers.has(optimizer)) {
      throw new ConfigurationError(
        "ERR_GRAD_SCALER",
        "unscale was called twice for one optimizer without update between. Call it once for each step.",
      );
    }
    scaleGradients(optimizer, 1 / this.currentScale);
    this.#optimizers.set(optimizer, { isFinite: agree(hasFiniteGradients(optimizer)), stepped: false });
  }

  /** Whether `unscale` was called for the optimizer since the last `update`. */
  isUnscaled(optimizer: Optimizer): boolean {
    return this.#optimizers.has(optimizer);
  }

  /**
   * The optimizer's step, unless a gradient is not finite. Unscales first where that is still to be done.
   *
   * @returns whether the optimizer stepped
   * @throws ConfigurationError `ERR_GRAD_SCALER` where that is done since the last `update`
   */
  step(optimizer: Optimizer): boolean {
    if (!this.#optimizers.has(optimizer)) this.unscale(optimizer);
    const progress = this.#optimizers.get(optimizer)!;
    if (progress.stepped) {
      throw new ConfigurationError(
        "ERR_GRAD_SCALER",
        "step was called twice for one optimizer without update between. Call update after each step.",
      );
    }
    progress.stepped = true;
    if (progress.isFinite) optimizer.step();
    return progress.isFinite;
  }

  /** Adapts the scale to how the optimizers fared since the last call. */
  update(): void {
    if (this.#optimizers.size === 0) {
      throw new ConfigurationError(
        "ERR_GRAD_SCALER",
        "update was called and no optimizer has stepped since it was called last. Call step first.",
      );
    }
    const { scale, growthFactor, backoffFactor, growthInterval, growthTracker } = this.#state;
    const isGood = [...this.#optimizers.values()].every(({ isFinite }) => isFinite);
    this.#optimizers.clear();
    if (!isGood) {
      this.#state = { ...this.#state, scale: Math.fround(scale * backoffFactor), growthTracker: 0 };
    } else if (growthTracker + 1 < growthInterval) {
      this.#state.growthTracker++;
    } else {
      const grown = Math.fround(scale * growthFactor);
      this.#state = { ...this.#state, scale: Number.isFinite(grown) ? grown : scale, growthTracker: 0 };
    }
  }

  /** Forgets steps that were begun and not finished. The scale stays. */
  discard(): void {
    this.#optimizers.clear();
  }

  stateDict(): GradScalerState {
    return { ...this.#state };
  }

  /** @throws CheckpointError `ERR_GRAD_SCALER_STATE` where a number is missing */
  loadStateDict(state: GradScalerState): void {
    const missing = Object.keys(this.#state).find(
      (key) => typeof state[key as keyof GradScalerState] !== "number",
    );
    if (missing !== undefined) {
      throw new CheckpointError(
        "ERR_GRAD_SCALER_STATE",
        `The state of a GradScaler needs the number ${missing}, and this one has the keys ${Object.keys(state).join(", ")}.`,
      );
    }
    const { scale, growthFactor, backoffFactor, growthInterval, growthTracker } = state;
    this.#state = { scale, growthFactor, backoffFactor, growthInterval, growthTracker };
    this.#optimizers.clear();
  }
}

function hasFiniteGradients(optimizer: Optimizer): boolean {
  return tf.tidy(() => {
    const finite = parametersOf(optimizer).flatMap(({ grad }) =>
      grad === null ? [] : [tf.all(tf.isFinite(grad))],
    );
    return finite.length === 0 || tf.all(tf.stack(finite)).dataSync()[0] === 1;
  });
}

function check(name: string, value: number, isValid: boolean, expected: string): void {
  if (isValid) return;
  throw new ConfigurationError(
    "ERR_GRAD_SCALER",
    `GradScaler's ${name} is a number ${expected}, not ${value}.`,
  );
}
