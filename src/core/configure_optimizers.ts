/** Reads what a module's `configureOptimizers` returned. */
import { ConfigurationError } from "../errors.js";
import { LrScheduler, Optimizer } from "../nn/index.js";
import type { AnyLightningModule } from "./lightning_module.js";

export interface Optimization {
  optimizer: Optimizer;
  scheduler: LrScheduler | undefined;
  interval: "step" | "epoch";
}

/** @throws ConfigurationError `ERR_CONFIGURE_OPTIMIZERS` for anything but the shapes of `OptimizerConfiguration` */
export function readOptimizers(module: AnyLightningModule, configuration: unknown): Optimization {
  const given: Record<string, unknown> =
    configuration instanceof Optimizer
      ? { optimizer: configuration }
      : { ...(configuration as object | null) };
  const problem = problemOf(given);
  if (problem !== undefined) {
    throw new ConfigurationError(
      "ERR_CONFIGURE_OPTIMIZERS",
      `${module.constructor.name}.configureOptimizers() must return an Optimizer, or ` +
        `{ optimizer, scheduler, interval } with interval "step" or "epoch": ${problem}.`,
    );
  }
  const { optimizer, scheduler, interval = "epoch" } = given as unknown as Optimization;
  return { optimizer, scheduler, interval };
}

function problemOf(given: Record<string, unknown>): string | undefined {
  const { optimizer, scheduler, interval, ...others } = given;
  if (!(optimizer instanceof Optimizer)) return "there is no optimizer";
  if (scheduler !== undefined) {
    if (!(scheduler instanceof LrScheduler)) return "`scheduler` is no LrScheduler";
    if (scheduler.optimizer !== optimizer) return "the scheduler belongs to another optimizer";
  }
  const isInterval = interval === undefined || interval === "step" || interval === "epoch";
  if (!isInterval) return `\`interval\` is ${JSON.stringify(interval)}`;
  const unknown = Object.keys(others);
  return unknown.length === 0 ? undefined : `${unknown.join(", ")} means nothing`;
}
