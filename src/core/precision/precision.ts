/** How a backward pass and an optimizer's step are computed. This class is the plain way: everything in float32. */
import type * as tf from "@tensorflow/tfjs-core";
import { computeGradients, type Optimizer, type Parameter } from "../../nn/index.js";

/** The precisions there are, in Lightning's names. */
export type PrecisionName = "32-true" | "16-mixed";

/** A precision plugin: strategies call it where Lightning's call theirs. */
export class Precision {
  /** Its name among the options. */
  readonly name: PrecisionName = "32-true";

  /** What the engine has to compute in. */
  get enginePrecision(): PrecisionName {
    return this.name;
  }

  /** Whether gradients that are not finite are met by skipping the step, and so are no mistake. */
  get skipsNonFiniteSteps(): boolean {
    return false;
  }

  /**
   * Runs the forward pass and adds the gradients of its loss to the parameters' `grad`.
   *
   * @param loss synchronous; gives a float32 scalar
   * @returns the loss
   */
  backward(loss: () => tf.Tensor, parameters: Iterable<Parameter>): tf.Scalar {
    return computeGradients(loss, parameters);
  }

  /**
   * Brings the gradients to their true size, before anybody looks at them. Once for a step; calling it again is fine.
   *
   * @param _agree makes one answer of all ranks' to whether gradients are finite, where each rank has a part of them
   */
  unscaleGradients(_optimizer: Optimizer, _agree?: (isFinite: boolean) => boolean): void {}

  /** @returns whether the parameters changed */
  optimizerStep(optimizer: Optimizer): boolean {
    optimizer.step();
    return true;
  }

  /** What a checkpoint keeps; undefined for nothing. Plain JSON values. */
  stateDict(): Record<string, unknown> | undefined {
    return undefined;
  }

  loadStateDict(_state: Record<string, unknown>): void {}

  /** Forgets a step that was begun and not finished, after a run that failed. */
  teardown(): void {}
}
