/** The options that say where and how to compute, shared by the Trainer and Fabric: their checks and defaults. */
import { detectClusterEnvironment } from "../../distributed/index.js";
import { ACCELERATORS, type Accelerator } from "../../engine/index.js";
import { ConfigurationError, describeChoices } from "../../errors.js";
import { Precision } from "../precision/precision.js";
import { resolvePrecision, type PrecisionOption } from "../precision/resolve_precision.js";
import { strategyRegistry } from "./registry.js";
import { Strategy } from "./strategy.js";

/** Options of where and how to compute, shared by the Trainer and Fabric. */
export interface StrategyOptions {
  /**
   * Where to compute. Default "auto": where `engine.use` was told to, or else, on the first run of the process, the best
   * that works here. It is the engine that moves, and it stays there after the run.
   */
  accelerator?: Accelerator | "auto";
  /**
   * How many ranks on each machine, or which GPUs: `[1]` is the second. Several start by themselves, as threads that run the
   * program's script; under mpirun or srun it is what these have started. Default "auto": that, or one.
   */
  devices?: number | readonly number[] | "auto";
  /** Machines. Default: as many as mpirun or srun has started processes on. */
  numNodes?: number;
  /**
   * "single_device"; "ddp", whose ranks average their gradients; "zero1", which also shards the optimizer's state; a
   * registered name, or a Strategy. Default "auto": "ddp" where there are several ranks.
   */
  strategy?: string | Strategy;
  /** "32-true", or "16-mixed" on devices that compute in float16. Default: "32-true". */
  precision?: PrecisionOption;
  /** A Precision of your own, in place of `precision`. */
  plugins?: Precision | readonly Precision[];
}

/** @throws ConfigurationError `ERR_STRATEGY_OPTION` for values that do not exist, are not there yet, or contradict another */
export function resolveStrategy(options: StrategyOptions): Strategy {
  const {
    accelerator = "auto",
    devices = "auto",
    numNodes,
    strategy = "auto",
    precision,
    plugins = [],
  } = options;
  const accelerators = ["auto", ...ACCELERATORS];
  if (!accelerators.includes(accelerator)) {
    fail(
      `There is no accelerator ${JSON.stringify(accelerator)}. ${describeChoices(accelerator, accelerators)}`,
    );
  }
  const precisions: readonly Precision[] = isList(plugins) ? plugins : [plugins];
  const stray = precisions.find((plugin) => !(plugin instanceof Precision));
  if (stray !== undefined)
    fail(
      "`plugins` takes a Precision, and something else came. Loggers and callbacks have options of their own.",
    );
  if (precisions.length > 1) fail(`\`plugins\` takes one Precision, and ${precisions.length} came.`);
  if (precisions.length === 1 && precision !== undefined) {
    fail(
      `A Precision came in \`plugins\` and \`precision: ${JSON.stringify(precision)}\` beside it. Give one of the two.`,
    );
  }
  if (numNodes !== undefined && (!Number.isSafeInteger(numNodes) || numNodes < 1)) {
    fail(`\`numNodes\` is an integer >= 1, not ${JSON.stringify(numNodes)}.`);
  }
  if (strategy instanceof Strategy) {
    const beside = ["accelerator", "devices", "numNodes", "precision", "plugins"].filter(
      (name) => options[name as keyof StrategyOptions] !== undefined,
    );
    if (beside.length === 0) return strategy;
    fail(
      `A Strategy came with ${beside.join(", ")} beside it. Give them to the strategy's constructor instead.`,
    );
  }
  if (typeof strategy !== "string") fail(`\`strategy\` is a name or a Strategy, not ${typeof strategy}.`);
  const environment = detectClusterEnvironment();
  return strategyRegistry.create(strategy, {
    accelerator,
    ...readDevices(devices),
    numNodes,
    ...(environment === undefined ? {} : { environment }),
    precision: precisions[0] ?? resolvePrecision(precision),
  });
}

/** As `Array.isArray`, for lists that are read only. */
function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function readDevices(devices: unknown): { devices: number | undefined; deviceIds?: readonly number[] } {
  if (devices === "auto") return { devices: undefined };
  const isCount = (value: unknown, least: number) =>
    Number.isSafeInteger(value) && (value as number) >= least;
  if (isCount(devices, 1)) return { devices: devices as number };
  if (Array.isArray(devices) && devices.length > 0 && devices.every((id) => isCount(id, 0))) {
    return { devices: devices.length, deviceIds: devices as number[] };
  }
  return fail(
    `\`devices\` is a count >= 1, an array of GPUs' numbers such as [0], or "auto", not ${JSON.stringify(devices)}.`,
  );
}

function fail(message: string): never {
  throw new ConfigurationError("ERR_STRATEGY_OPTION", message);
}
