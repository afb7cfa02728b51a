/** An optimizer whose step goes through Fabric's strategy and precision. */
import type { Optimizer, OptimizerState } from "../../nn/index.js";
import { LightningOptimizer } from "../lightning_optimizer.js";

/** An optimizer that steps through Fabric's strategy and precision. */
export class FabricOptimizer<O extends Optimizer = Optimizer> extends LightningOptimizer {
  /** The optimizer that was set up: schedules are made for it. */
  declare readonly optimizer: O;
  readonly #step: () => boolean;

  /** @internal Made by `fabric.setup` and `fabric.setupOptimizers`. */
  constructor(optimizer: O, step: () => boolean) {
    super(optimizer, step);
    this.#step = step;
  }

  override get paramGroups(): O["paramGroups"] {
    return this.optimizer.paramGroups;
  }

  /** @returns whether the parameters changed: mixed precision leaves a step out whose gradients are not finite */
  override step(): boolean {
    return this.#step();
  }

  stateDict(): OptimizerState {
    return this.optimizer.stateDict();
  }

  /** @throws CheckpointError if the groups, their sizes, or a slot's shape differ; nothing changes then */
  loadStateDict(state: OptimizerState): void {
    this.optimizer.loadStateDict(state);
  }

  /** Frees what the optimizer remembers. */
  dispose(): void {
    this.optimizer.dispose();
  }
}
