/** The Trainer's options and their defaults, in one place. */
import type { Callback } from "./callbacks/callback.js";
import { durationMilliseconds, type Duration } from "./duration.js";
import type { CheckpointIO } from "./checkpoint/checkpoint_io.js";
import { DummyLogger } from "./loggers/dummy_logger.js";
import type { Logger } from "./loggers/logger.js";
import type { Profiler } from "./profilers/index.js";
import { checkOptions } from "./option_rules.js";

import type { Deterministic, StrategyOptions } from "./strategies/index.js";

/** Options of `Trainer`. */
export interface TrainerOptions extends StrategyOptions {
  /** Passes over the training data; -1 for no end. Default: 10, or no end where `maxSteps` or `maxTime` is given. */
  maxEpochs?: number;
  /** Epochs before `shouldStop` is obeyed; a request that comes earlier waits. Default: 0. */
  minEpochs?: number;
  /** Optimizer steps; -1 for no end. Default: -1. */
  maxSteps?: number;
  /** Optimizer steps before `shouldStop` is obeyed. Default: 0. */
  minSteps?: number;
  /** How long training may take: `"DD:HH:MM:SS"` or `{ days, hours, minutes, seconds }`. Default: no limit. */
  maxTime?: Duration;
  /** Default: none but the progress bar and, for modules with a `monitor`, a ModelCheckpoint. */
  callbacks?: Callback | Callback[];
  /** `true` writes CSV files in `kindling_logs`, `false` logs nothing. Default: true. */
  logger?: boolean | Logger | Logger[];
  /** Default: true. */
  enableProgressBar?: boolean;
  /**
   * Whether a module with a `monitor` gets a ModelCheckpoint unless one is in `callbacks`, and whether a signal that
   * interrupts training leaves a checkpoint. Default: true.
   */
  enableCheckpointing?: boolean;
  /** Where checkpoints go and come from, such as `new AsyncCheckpointIO()`. Default: files, written while training waits. */
  checkpointIO?: CheckpointIO;
  /** Whether the modules, parameters and sizes are shown when a fit starts. Default: true. */
  enableModelSummary?: boolean;
  /** Batches of each epoch: a fraction if below 1, else a count; 0 for none. Default: all. */
  limitTrainBatches?: number;
  /** Batches of each validation loader; as `limitTrainBatches`. */
  limitValBatches?: number;
  /** Batches of each test loader; as `limitTrainBatches`. */
  limitTestBatches?: number;
  /** Batches of each prediction loader; as `limitTrainBatches`. */
  limitPredictBatches?: number;
  /**
   * Trains and validates on as many batches (a fraction if below 1, else a count), the same ones in every epoch: whether a
   * network can learn a little by heart says whether it can learn at all. 0 for off. Default: 0.
   */
  overfitBatches?: number;
  /** The largest gradients: see `gradientClipAlgorithm`. Default: no limit. */
  gradientClipVal?: number;
  /** `"norm"` scales all gradients so that their common norm is in bounds, `"value"` cuts each element. Default: "norm". */
  gradientClipAlgorithm?: GradientClipAlgorithm;
  /** Batches whose gradients are averaged for one optimizer step; the last of an epoch over those it has. Default: 1. */
  accumulateGradBatches?: number;
  /** Validation batches of each loader to run before training, to find mistakes early; -1 for all. Default: 2. */
  numSanityValSteps?: number;
  /**
   * When to validate within an epoch: after a fraction of its batches if below 1, after a count of them, or after a time
   * such as `"00:01:00:00"` (days to seconds) or `{ hours: 1 }`, counted from the end of the last validation. Default: at
   * the epoch's end.
   */
  valCheckInterval?: number | Duration;
  /**
   * Epochs from one validation to the next. `null`: `valCheckInterval`, a count or a time, is measured across epochs.
   * Default: 1.
   */
  checkValEveryNEpoch?: number | null;
  /** Epochs after which the data module is asked for its loaders anew; 0 for never. Default: 0. */
  reloadDataloadersEveryNEpochs?: number;
  /**
   * With several ranks, whether each gets its own part of every loader's batches. With false every rank goes through all of
   * what it is given, and sharing out is yours. Default: true.
   */
  useDistributedSampler?: boolean;
  /**
   * With several ranks, whether batch norms take their statistics over the batches of all ranks rather than each over its
   * own, at the price of two small collectives for each layer and step. Default: false.
   */
  syncBatchnorm?: boolean;
  /** Optimizer steps between two rows of the step's values in the logs; 0 for never. Default: 50. */
  logEveryNSteps?: number;
  /** Where logs and checkpoints go. Default: the working directory. */
  defaultRootDir?: string;
  /** Runs one batch (or as many as given) of everything, without logs, checkpoints and early stopping. Default: false. */
  fastDevRun?: boolean | number;
  /**
   * The loop and nothing else, to measure what it costs: no logger, bar, checkpoints, sanity check, and `module.log` does
   * nothing. Options that ask for one of these contradict it. Default: false.
   */
  barebones?: boolean;
  /**
   * What measures the run: "simple" for a table of all hooks and actions, "engine" for one of the engine's operators, or a
   * Profiler. Default: none.
   */
  profiler?: "simple" | "engine" | Profiler;
  /**
   * `true` refuses to run where equal runs may differ in the last bits, which is everywhere but on the CPU; "warn" warns.
   * Equal bits also need one seed: `seedEverything`. Default: false.
   */
  deterministic?: Deterministic;
  /**
   * Stops at the first number in a training step that is not finite, and names the module that made it. Steps get several
   * times slower. Default: false.
   */
  detectAnomaly?: boolean;
}

/** Whether gradients are clipped by their common norm, or each element by its value. */
export type GradientClipAlgorithm = "norm" | "value";

/** When validation is due within an epoch; undefined for its end. */
export type ValidationInterval =
  | { readonly kind: "fraction"; readonly of: number }
  | { readonly kind: "count"; readonly batches: number }
  | { readonly kind: "time"; readonly milliseconds: number };

export interface ResolvedTrainerOptions {
  maxEpochs: number;
  minEpochs: number;
  maxSteps: number;
  minSteps: number;
  maxTime: Duration | undefined;
  callbacks: Callback[];
  logger: boolean | Logger | Logger[];
  enableProgressBar: boolean;
  enableCheckpointing: boolean;
  checkpointIO: CheckpointIO | undefined;
  enableModelSummary: boolean;
  limitTrainBatches: number | undefined;
  limitValBatches: number | undefined;
  limitTestBatches: number | undefined;
  limitPredictBatches: number | undefined;
  /** Whether `limitTrainBatches` and `limitValBatches` are those of `overfitBatches`. */
  overfits: boolean;
  gradientClipVal: number | undefined;
  gradientClipAlgorithm: GradientClipAlgorithm;
  accumulateGradBatches: number;
  numSanityValSteps: number;
  valCheckInterval: ValidationInterval | undefined;
  checkValEveryNEpoch: number | null;
  reloadDataloadersEveryNEpochs: number;
  useDistributedSampler: boolean;
  syncBatchnorm: boolean;
  logEveryNSteps: number;
  defaultRootDir: string;
  fastDevRun: boolean;
  barebones: boolean;
  profiler: "simple" | "engine" | Profiler | undefined;
  deterministic: Deterministic;
  detectAnomaly: boolean;
}

const DEFAULT_MAX_EPOCHS = 10;

/** What `barebones` turns off. */
const BARE = {
  logger: false,
  enableProgressBar: false,
  enableCheckpointing: false,
  enableModelSummary: false,
  numSanityValSteps: 0,
  logEveryNSteps: 0,
} as const;

/** @throws ConfigurationError `ERR_TRAINER_OPTION` for an unknown option, a value it cannot have, or a contradiction */
export function resolveTrainerOptions(given: TrainerOptions): ResolvedTrainerOptions {
  checkOptions(given);
  const {
    maxSteps = -1,
    maxTime,
    maxEpochs = maxSteps === -1 && maxTime === undefined ? DEFAULT_MAX_EPOCHS : -1,
    minEpochs = 0,
    minSteps = 0,
    callbacks = [],
    logger = true,
    enableProgressBar = true,
    enableCheckpointing = true,
    overfitBatches = 0,
    limitTrainBatches = overfitBatches === 0 ? undefined : overfitBatches,
    limitValBatches = overfitBatches === 0 ? undefined : overfitBatches,
    checkpointIO,
    enableModelSummary = true,
    limitTestBatches,
    limitPredictBatches,
    gradientClipVal,
    gradientClipAlgorithm = "norm",
    accumulateGradBatches = 1,
    numSanityValSteps = 2,
    valCheckInterval,
    checkValEveryNEpoch = 1,
    reloadDataloadersEveryNEpochs = 0,
    useDistributedSampler = true,
    syncBatchnorm = false,
    logEveryNSteps = 50,
    defaultRootDir = process.cwd(),
    fastDevRun = false,
    barebones = false,
    profiler,
    deterministic = false,
    detectAnomaly = false,
  } = given.barebones === true ? { ...given, ...BARE } : given;
  const resolved: ResolvedTrainerOptions = {
    maxEpochs,
    minEpochs,
    maxSteps,
    minSteps,
    maxTime,
    callbacks: [callbacks].flat(),
    logger,
    enableProgressBar,
    enableCheckpointing,
    checkpointIO,
    enableModelSummary,
    limitTrainBatches,
    limitValBatches,
    limitTestBatches,
    limitPredictBatches,
    overfits: overfitBatches !== 0,
    gradientClipVal,
    gradientClipAlgorithm,
    accumulateGradBatches,
    numSanityValSteps,
    valCheckInterval: readInterval(valCheckInterval),
    checkValEveryNEpoch,
    reloadDataloadersEveryNEpochs,
    useDistributedSampler,
    syncBatchnorm,
    logEveryNSteps,
    defaultRootDir,
    fastDevRun: fastDevRun !== false && fastDevRun !== 0,
    barebones,
    profiler,
    deterministic,
    detectAnomaly,
  };
  return resolved.fastDevRun ? forFastDevRun(resolved, Number(fastDevRun)) : resolved;
}

function readInterval(interval: number | Duration | undefined): ValidationInterval | undefined {
  if (interval === undefined) return undefined;
  if (typeof interval !== "number") {
    return { kind: "time", milliseconds: durationMilliseconds(interval, "valCheckInterval") };
  }
  return interval < 1 ? { kind: "fraction", of: interval } : { kind: "count", batches: interval };
}

function forFastDevRun(options: ResolvedTrainerOptions, batches: number): ResolvedTrainerOptions {
  return {
    ...options,
    maxEpochs: 1,
    minEpochs: 0,
    maxSteps: batches,
    minSteps: 0,
    limitTrainBatches: batches,
    limitValBatches: batches,
    limitTestBatches: batches,
    limitPredictBatches: batches,
    overfits: false,
    numSanityValSteps: 0,
    valCheckInterval: undefined,
    checkValEveryNEpoch: 1,
    logger: options.logger !== false && new DummyLogger(),
    enableCheckpointing: false,
  };
}
