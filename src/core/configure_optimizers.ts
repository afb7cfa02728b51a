/** Reads what a module's `configureOptimizers` returned. */
import { ConfigurationError } from "../errors.js";
import { LrScheduler, Optimizer } from "../nn/index.js";
import type { AnyLightningModule } from "./lightning_module.js";

export interface Optimization {
  optimizer: Optimizer;
  scheduler: LrScheduler | undefined;
  interval: "step" | "epoch";
}

/**
 * @returns one in automatic optimization
 * @throws ConfigurationError `ERR_CONFIGURE_OPTIMIZERS` for anything but the shapes of `OptimizerConfiguration`, and for
 *   several optimizers in automatic optimization
 */
export function readOptimizers(module: AnyLightningModule, configuration: unknown): Optimization[] {
  const name = module.constructor.name;
  if (!Array.isArray(configuration)) return [readOne(name, configuration)];
  const configurations = configuration as unknown[];
  if (module.automaticOptimization && configurations.length > 1) {
    throw new ConfigurationError(
      "ERR_CONFIGURE_OPTIMIZERS",
      `${name}.configureOptimizers() returned ${configurations.length} optimizers, and nothing says which one a loss is ` +
        "for. Set automaticOptimization = false and step them in trainingStep: see manualBackward and optimizers.",
    );
  }
  if (configurations.length === 0) return [readOne(name, undefined)];
  return configurations.map((one) => readOne(name, one));
}

function readOne(name: string, configuration: unknown): Optimization {
  const given: Record<string, unknown> =
    configuration instanceof Optimizer
      ? { optimizer: configuration }
      : { ...(configuration as object | null) };
  const problem = problemOf(given);
  if (problem !== undefined) {
    throw new ConfigurationError(
      "ERR_CONFIGURE_OPTIMIZERS",
      `${name}.configureOptimizers() must return an Optimizer, or ` +
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
