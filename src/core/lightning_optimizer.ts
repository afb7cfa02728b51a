/** An optimizer as a module sees it in manual optimization: its steps run the hooks and are counted. */
import type { Optimizer } from "../nn/index.js";

/** An optimizer as modules are given it, whose steps the Trainer counts. */
export class LightningOptimizer {
  readonly optimizer: Optimizer;
  readonly #step: () => void;

  /** @param step what the Trainer does for a step */
  constructor(optimizer: Optimizer, step: () => void) {
    this.optimizer = optimizer;
    this.#step = step;
  }

  get paramGroups(): Optimizer["paramGroups"] {
    return this.optimizer.paramGroups;
  }

  /**
   * Calls `onBeforeOptimizerStep` and changes the parameters. One step of `trainer.globalStep`.
   *
   * @throws ConfigurationError `ERR_AUTOMATIC_OPTIMIZATION` where the Trainer optimizes
   */
  step(): void {
    this.#step();
  }

  /** Forgets the gradients of the optimizer's parameters. */
  zeroGrad(): void {
    this.optimizer.zeroGrad();
  }
}
