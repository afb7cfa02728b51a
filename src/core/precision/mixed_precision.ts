/** Graphs in float16 where the device computes it, parameters and their updates in float32, and a scaled loss. */
import * as tf from "@tensorflow/tfjs-core";
import type { Optimizer, Parameter } from "../../nn/index.js";
import { GradScaler, type GradScalerState } from "./grad_scaler.js";
import { Precision, type PrecisionName } from "./precision.js";

/** Options of `MixedPrecision`. */
export interface MixedPrecisionOptions {
  /** Default: one with PyTorch's defaults. */
  scaler?: GradScaler;
}

/** Products in float16 with the loss scaled; weights and all else in float32. */
export class MixedPrecision extends Precision {
  override readonly name: PrecisionName = "16-mixed";
  readonly scaler: GradScaler;

  constructor({ scaler = new GradScaler() }: MixedPrecisionOptions = {}) {
    super();
    this.scaler = scaler;
  }

  override get skipsNonFiniteSteps(): boolean {
    return true;
  }

  override backward(loss: () => tf.Tensor, parameters: Iterable<Parameter>): tf.Scalar {
    return tf.tidy(() => {
      const scaled = super.backward(() => this.scaler.scale(loss()), parameters);
      return tf.div<tf.Scalar>(scaled, tf.scalar(this.scaler.currentScale));
    });
  }

  override unscaleGradients(optimizer: Optimizer, agree?: (isFinite: boolean) => boolean): void {
    if (!this.scaler.isUnscaled(optimizer)) this.scaler.unscale(optimizer, agree);
  }

  override optimizerStep(optimizer: Optimizer): boolean {
    const stepped = this.scaler.step(optimizer);
    this.scaler.update();
    return stepped;
  }

  override stateDict(): Record<string, unknown> {
    return { ...this.scaler.stateDict() };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    this.scaler.loadStateDict(state as unknown as GradScalerState);
  }

  override teardown(): void {
    this.scaler.discard();
  }
}
