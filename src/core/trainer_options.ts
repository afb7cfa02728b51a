/** The Trainer's options: their defaults in one place, and a check of every one that is given. */
import { ConfigurationError, describeChoices } from "../errors.js";
import type { Callback } from "./callbacks/callback.js";
import { DummyLogger } from "./loggers/dummy_logger.js";
import type { Logger } from "./loggers/logger.js";
import { Profiler } from "./profilers/profiler.js";

export interface TrainerOptions {
  /** Passes over the training data; -1 for no end. Default: 10, or no end where `maxSteps` is given. */
  maxEpochs?: number;
  /** Optimizer steps; -1 for no end. Default: -1. */
  maxSteps?: number;
  /** Default: none but the progress bar and, for modules with a `monitor`, a ModelCheckpoint. */
  callbacks?: Callback | Callback[];
  /** `true` writes CSV files in `kindling_logs`, `false` logs nothing. Default: true. */
  logger?: boolean | Logger | Logger[];
  /** Default: true. */
  enableProgressBar?: boolean;
  /** Whether a module with a `monitor` gets a ModelCheckpoint unless one is in `callbacks`. Default: true. */
  enableCheckpointing?: boolean;
  /** Batches of each epoch: a fraction if below 1, else a count; 0 for none. Default: all. */
  limitTrainBatches?: number;
  limitValBatches?: number;
  limitTestBatches?: number;
  limitPredictBatches?: number;
  /** The largest common norm of all gradients; larger ones are scaled down to it. Default: no limit. */
  gradientClipVal?: number;
  /** Batches whose gradients are averaged for one optimizer step. Default: 1. */
  accumulateGradBatches?: number;
  /** Validation batches to run before training, to find mistakes early; -1 for all. Default: 2. */
  numSanityValSteps?: number;
  /** Default: 1. */
  checkValEveryNEpoch?: number;
  /** Optimizer steps between two rows of the step's values in the logs; 0 for never. Default: 50. */
  logEveryNSteps?: number;
  /** Where logs and checkpoints go. Default: the working directory. */
  defaultRootDir?: string;
  /** Runs one batch (or as many as given) of everything, without logs, checkpoints and early stopping. Default: false. */
  fastDevRun?: boolean | number;
  /**
   * What measures the run: "simple" for a table of all hooks and actions, "engine" for one of the engine's operators, or a
   * Profiler. Default: none.
   */
  profiler?: "simple" | "engine" | Profiler;
}

export interface ResolvedTrainerOptions {
  maxEpochs: number;
  maxSteps: number;
  callbacks: Callback[];
  logger: boolean | Logger | Logger[];
  enableProgressBar: boolean;
  enableCheckpointing: boolean;
  limitTrainBatches: number | undefined;
  limitValBatches: number | undefined;
  limitTestBatches: number | undefined;
  limitPredictBatches: number | undefined;
  gradientClipVal: number | undefined;
  accumulateGradBatches: number;
  numSanityValSteps: number;
  checkValEveryNEpoch: number;
  logEveryNSteps: number;
  defaultRootDir: string;
  fastDevRun: boolean;
  profiler: "simple" | "engine" | Profiler | undefined;
}

const DEFAULT_MAX_EPOCHS = 10;

/** @throws ConfigurationError `ERR_TRAINER_OPTION` for an unknown option or a value it cannot have */
export function resolveTrainerOptions(given: TrainerOptions): ResolvedTrainerOptions {
  checkOptions(given);
  const {
    maxSteps = -1,
    maxEpochs = maxSteps === -1 ? DEFAULT_MAX_EPOCHS : -1,
    callbacks = [],
    logger = true,
    enableProgressBar = true,
    enableCheckpointing = true,
    limitTrainBatches,
    limitValBatches,
    limitTestBatches,
    limitPredictBatches,
    gradientClipVal,
    accumulateGradBatches = 1,
    numSanityValSteps = 2,
    checkValEveryNEpoch = 1,
    logEveryNSteps = 50,
    defaultRootDir = process.cwd(),
    fastDevRun = false,
    profiler,
  } = given;
  const resolved: ResolvedTrainerOptions = {
    maxEpochs,
    maxSteps,
    callbacks: [callbacks].flat(),
    logger,
    enableProgressBar,
    enableCheckpointing,
    limitTrainBatches,
    limitValBatches,
    limitTestBatches,
    limitPredictBatches,
    gradientClipVal,
    accumulateGradBatches,
    numSanityValSteps,
    checkValEveryNEpoch,
    logEveryNSteps,
    defaultRootDir,
    fastDevRun: fastDevRun !== false && fastDevRun !== 0,
    profiler,
  };
  return resolved.fastDevRun ? forFastDevRun(resolved, Number(fastDevRun)) : resolved;
}

function forFastDevRun(options: ResolvedTrainerOptions, batches: number): ResolvedTrainerOptions {
  return {
    ...options,
    maxEpochs: 1,
    maxSteps: batches,
    limitTrainBatches: batches,
    limitValBatches: batches,
    limitTestBatches: batches,
    limitPredictBatches: batches,
    numSanityValSteps: 0,
    checkValEveryNEpoch: 1,
    logger: options.logger !== false && new DummyLogger(),
    enableCheckpointing: false,
  };
}

interface Rule {
  isValid: (value: unknown) => boolean;
  expected: string;
}

const isInteger = (value: unknown, least: number) =>
  Number.isSafeInteger(value) && (value as number) >= least;
const isObject = (value: unknown) => typeof value === "object" && value !== null;

const flag: Rule = { isValid: (value) => typeof value === "boolean", expected: "true or false" };
const endless: Rule = {
  isValid: (value) => isInteger(value, -1),
  expected: "an integer >= 0, or -1 for no end",
};
const positive: Rule = { isValid: (value) => isInteger(value, 1), expected: "an integer >= 1" };
const limit: Rule = {
  isValid: (value) => isInteger(value, 0) || (typeof value === "number" && value > 0 && value < 1),
  expected:
    "a count of batches (an integer >= 0) or a fraction between 0 and 1; leave it out for all batches",
};

const rules: Record<keyof TrainerOptions, Rule> = {
  maxEpochs: endless,
  maxSteps: endless,
  callbacks: {
    isValid: (value) => [value].flat().every(isObject),
    expected: "a Callback or an array of them",
  },
  logger: {
    isValid: (value) => typeof value === "boolean" || [value].flat().every(isObject),
    expected: "true, false, a Logger or an array of them",
  },
  enableProgressBar: flag,
  enableCheckpointing: flag,
  limitTrainBatches: limit,
  limitValBatches: limit,
  limitTestBatches: limit,
  limitPredictBatches: limit,
  gradientClipVal: {
    isValid: (value) => typeof value === "number" && Number.isFinite(value) && value > 0,
    expected: "a number > 0",
  },
  accumulateGradBatches: positive,
  numSanityValSteps: {
    isValid: (value) => isInteger(value, -1),
    expected: "an integer >= 0, or -1 for all batches",
  },
  checkValEveryNEpoch: positive,
  logEveryNSteps: { isValid: (value) => isInteger(value, 0), expected: "an integer >= 0" },
  defaultRootDir: {
    isValid: (value) => typeof value === "string" && value !== "",
    expected: "a folder's path",
  },
  fastDevRun: {
    isValid: (value) => typeof value === "boolean" || isInteger(value, 0),
    expected: "true, false or a count of batches",
  },
  profiler: {
    isValid: (value) => value === "simple" || value === "engine" || value instanceof Profiler,
    expected: '"simple", "engine" or a Profiler',
  },
};

function checkOptions(given: object): void {
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    if (!Object.hasOwn(rules, name)) {
      throw new ConfigurationError(
        "ERR_TRAINER_OPTION",
        `The Trainer has no option ${JSON.stringify(name)}. ${describeChoices(name, Object.keys(rules))}`,
      );
    }
    const { isValid, expected } = rules[name as keyof TrainerOptions];
    if (value === undefined || isValid(value)) continue;
    throw new ConfigurationError(
      "ERR_TRAINER_OPTION",
      `The Trainer's option ${name} must be ${expected}, not ${inspect(value)}.`,
    );
  }
}

function inspect(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
