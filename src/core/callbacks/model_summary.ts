/** Shows what the module is made of when a fit starts. */
import { ConfigurationError } from "../../errors.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { SummaryOptions } from "../summary/module_summary.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";

/** Options of `ModelSummary`. */
export type ModelSummaryOptions = SummaryOptions;

/**
 * Prints `module.summary()` above the progress bar; without a bar nothing is shown. The Trainer has one unless
 * `enableModelSummary` is false.
 */
export class ModelSummary extends Callback {
  readonly maxDepth: number;

  /** @throws ConfigurationError `ERR_SUMMARY` for another maxDepth than an integer from -1 */
  constructor({ maxDepth = 1 }: ModelSummaryOptions = {}) {
    super();
    if (!Number.isInteger(maxDepth) || maxDepth < -1) {
      throw new ConfigurationError(
        "ERR_SUMMARY",
        `ModelSummary's maxDepth is a count of levels, 0 for nothing or -1 for all levels, not ${maxDepth}.`,
      );
    }
    this.maxDepth = maxDepth;
  }

  override onFitStart(trainer: Trainer, module: AnyLightningModule): void {
    if (this.maxDepth === 0 || trainer.progressBarCallback === undefined) return;
    trainer.print(String(module.summary({ maxDepth: this.maxDepth })));
  }
}
