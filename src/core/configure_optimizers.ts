/** Reads what a module's `configureOptimizers` returned. */
import { ConfigurationError, describeChoices } from "../errors.js";
import { LrScheduler, OneCycleLR, Optimizer, ReduceLROnPlateau } from "../nn/index.js";
import { isPlainObject } from "../nested.js";

/** A scheduler and when the Trainer steps it. */
export interface LrSchedulerOptions {
  scheduler: LrScheduler;
  /** Whether it is stepped after optimizer steps or after epochs. Default: "epoch". */
  interval?: "step" | "epoch";
  /** How many optimizer steps, or epochs, there are from one of its steps to the next. Default: 1. */
  frequency?: number;
  /** The logged metric that a `ReduceLROnPlateau` follows. */
  monitor?: string;
  /** Whether it is an error when that metric was not logged; if not, the step is left out. Default: true. */
  strict?: boolean;
  /** What a `LearningRateMonitor` calls it. */
  name?: string;
  /** Whether `step` takes the monitored metric. Default: whether it is a `ReduceLROnPlateau`. */
  reduceOnPlateau?: boolean;
}

/** A scheduler as the Trainer keeps it, all defaults filled in. */
export interface LrSchedulerConfig {
  readonly scheduler: LrScheduler;
  readonly interval: "step" | "epoch";
  readonly frequency: number;
  readonly monitor: string | undefined;
  readonly strict: boolean;
  readonly name: string | undefined;
  readonly reduceOnPlateau: boolean;
}

/** An optimizer with the schedule of its learning rate. */
export interface OptimizerOptions {
  optimizer: Optimizer;
  lrScheduler?: LrScheduler | LrSchedulerOptions;
}

/**
 * What `configureOptimizers` returns: `new AdamW(…)`, `{ optimizer, lrScheduler }` with a scheduler alone or with
 * `{ scheduler, interval, frequency, monitor, strict, name }`, or in manual optimization an array of those.
 */
export type OptimizerConfiguration = Optimizer | OptimizerOptions | readonly (Optimizer | OptimizerOptions)[];

export interface Optimization {
  readonly optimizers: readonly Optimizer[];
  readonly lrSchedulerConfigs: readonly LrSchedulerConfig[];
}

const OPTIMIZER_KEYS = ["optimizer", "lrScheduler"];
const SCHEDULER_KEYS = ["scheduler", "interval", "frequency", "monitor", "strict", "name", "reduceOnPlateau"];
/** What means nothing where the module steps its schedulers itself. */
const AUTOMATIC_KEYS = ["interval", "frequency", "monitor", "strict", "reduceOnPlateau"];

/**
 * @param owner the module's class, for errors
 * @param isAutomatic whether the Trainer steps the optimizer
 * @throws ConfigurationError `ERR_CONFIGURE_OPTIMIZERS` for anything but the shapes of `OptimizerConfiguration`
 */
export function readOptimizers(owner: string, configuration: unknown, isAutomatic: boolean): Optimization {
  const reader = new Reader(owner, isAutomatic);
  return reader.read(configuration);
}

class Reader {
  readonly #owner: string;
  readonly #isAutomatic: boolean;

  constructor(owner: string, isAutomatic: boolean) {
    this.#owner = owner;
    this.#isAutomatic = isAutomatic;
  }

  read(configuration: unknown): Optimization {
    const given = Array.isArray(configuration) ? (configuration as unknown[]) : [configuration];
    if (this.#isAutomatic && given.length !== 1) {
      throw this.#error(
        `returned ${given.length} optimizers, and automatic optimization steps one. Return one, or set ` +
          "automaticOptimization = false and step them in trainingStep",
      );
    }
    const entries = given.map((one) => this.#readOptimizer(one));
    const optimizers = entries.map(({ optimizer }) => optimizer);
    const lrSchedulerConfigs = entries.flatMap(({ lrScheduler }) =>
      lrScheduler === undefined ? [] : [this.#readScheduler(lrScheduler, optimizers)],
    );
    return { optimizers, lrSchedulerConfigs };
  }

  #readOptimizer(given: unknown): { optimizer: Optimizer; lrScheduler?: unknown } {
    if (isOptimizer(given)) return { optimizer: given };
    if (!isPlainObject(given) || !isOptimizer(given.optimizer)) {
      throw this.#error(
        "must return an Optimizer, or { optimizer, lrScheduler }, or in manual optimization an array of them, " +
          `and returned ${describe(given)}`,
      );
    }
    this.#checkKeys(given, OPTIMIZER_KEYS, "beside the optimizer");
    return { optimizer: given.optimizer, lrScheduler: given.lrScheduler };
  }

  #readScheduler(given: unknown, optimizers: readonly Optimizer[]): LrSchedulerConfig {
    const options: Record<string, unknown> | undefined =
      given instanceof LrScheduler ? { scheduler: given } : isPlainObject(given) ? given : undefined;
    const scheduler = options?.scheduler;
    if (options === undefined || !(scheduler instanceof LrScheduler)) {
      throw this.#error(
        `must give lrScheduler as an LrScheduler, or { scheduler, interval, … }, not ${describe(given)}`,
      );
    }
    this.#checkKeys(options, SCHEDULER_KEYS, "in lrScheduler");
    if (!optimizers.includes(scheduler.optimizer)) {
      throw this.#error(
        `returned a ${scheduler.constructor.name} of an optimizer that it did not return. ` +
          "Make the scheduler with the optimizer beside it",
      );
    }
    const {
      interval = "epoch",
      frequency = 1,
      monitor,
      strict = true,
      name,
      reduceOnPlateau = scheduler instanceof ReduceLROnPlateau,
    } = options as unknown as LrSchedulerOptions;
    const config = { scheduler, interval, frequency, monitor, strict, name, reduceOnPlateau };
    if (this.#isAutomatic) this.#checkAutomatic(config, options);
    else this.#refuseAutomatic(options);
    return config;
  }

  #checkAutomatic(config: LrSchedulerConfig, given: Record<string, unknown>): void {
    const { scheduler, interval, frequency, monitor, reduceOnPlateau } = config;
    const kind = scheduler.constructor.name;
    if (!["step", "epoch"].includes(interval)) {
      throw this.#error(`must give interval as "step" or "epoch", not ${describe(interval)}`);
    }
    if (!Number.isSafeInteger(frequency) || frequency < 1) {
      throw this.#error(`must give frequency as an integer of at least 1, not ${describe(frequency)}`);
    }
    if (reduceOnPlateau && typeof monitor !== "string") {
      throw this.#error(
        `returned a ${kind} without the metric it follows. Say which: ` +
          '{ optimizer, lrScheduler: { scheduler, monitor: "val_loss" } }',
      );
    }
    if (!reduceOnPlateau && monitor !== undefined) {
      throw this.#error(
        `gave monitor: ${describe(monitor)} for a ${kind}, which follows no metric. Leave monitor out, or use ReduceLROnPlateau`,
      );
    }
    if (scheduler instanceof OneCycleLR && given.interval === undefined) {
      throw this.#error(
        "returned a OneCycleLR without an interval. Its cycle is usually counted in optimizer steps: give interval: " +
          '"step", or "epoch" where you mean epochs',
      );
    }
  }

  #refuseAutomatic(given: Record<string, unknown>): void {
    const key = AUTOMATIC_KEYS.find((key) => given[key] !== undefined);
    if (key === undefined) return;
    throw this.#error(
      `gave ${key} to a scheduler in manual optimization, where the Trainer steps none. ` +
        "Leave it out, and step lrSchedulers() in the module",
    );
  }

  #checkKeys(given: object, known: readonly string[], where: string): void {
    const unknown = Object.keys(given).find((key) => !known.includes(key));
    if (unknown === undefined) return;
    const choices = describeChoices(unknown, known);
    throw this.#error(`gave ${JSON.stringify(unknown)} ${where}, which means nothing there`, choices);
  }

  #error(problem: string, advice = ""): ConfigurationError {
    const text = `${this.#owner}.configureOptimizers() ${problem}.`;
    return new ConfigurationError("ERR_CONFIGURE_OPTIMIZERS", advice === "" ? text : `${text} ${advice}`);
  }
}

/** As `instanceof`, without its `any`. */
function isOptimizer(value: unknown): value is Optimizer {
  return value instanceof Optimizer;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (isPlainObject(value)) return `an object with ${Object.keys(value).join(", ") || "nothing"}`;
  if (typeof value === "object" && value !== null) return `a ${value.constructor.name}`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
