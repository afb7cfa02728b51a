/** Which values the Trainer's options can have, and which of them contradict each other. */
import { ConfigurationError, describeChoices } from "../errors.js";
import { durationMilliseconds, type Duration } from "./duration.js";
import { Profiler } from "./profilers/index.js";
import type { TrainerOptions } from "./trainer_options.js";

interface Rule {
  isValid: (value: unknown) => boolean;
  expected: string;
}

const isInteger = (value: unknown, least: number) =>
  Number.isSafeInteger(value) && (value as number) >= least;
const isObject = (value: unknown) => typeof value === "object" && value !== null;
const isFraction = (value: unknown) => typeof value === "number" && value > 0 && value < 1;

const flag: Rule = { isValid: (value) => typeof value === "boolean", expected: "true or false" };
const endless: Rule = {
  isValid: (value) => isInteger(value, -1),
  expected: "an integer >= 0, or -1 for no end",
};
const count: Rule = { isValid: (value) => isInteger(value, 0), expected: "an integer >= 0" };
const positive: Rule = { isValid: (value) => isInteger(value, 1), expected: "an integer >= 1" };
const limit: Rule = {
  isValid: (value) => isInteger(value, 0) || isFraction(value),
  expected:
    "a count of batches (an integer >= 0) or a fraction between 0 and 1; leave it out for all batches",
};

/** `resolveStrategy` has its own errors for these. */
const checkedByStrategy: Rule = { isValid: () => true, expected: "" };

const rules: Record<keyof TrainerOptions, Rule> = {
  maxEpochs: endless,
  minEpochs: count,
  maxSteps: endless,
  minSteps: count,
  maxTime: {
    isValid: (value) => durationMilliseconds(value as Duration, "The Trainer's option maxTime") > 0,
    expected: "a duration",
  },
  callbacks: {
    isValid: (value) => [value].flat().every(isObject),
    expected: "a Callback or an array of them",
  },
  logger: {
    isValid: (value) => typeof value === "boolean" || [value].flat().every(isObject),
    expected: "true, false, a Logger or an array of them",
  },
  enableProgressBar: flag,
  useDistributedSampler: flag,
  syncBatchnorm: flag,
  profiler: {
    isValid: (value) => value === "simple" || value === "engine" || value instanceof Profiler,
    expected: '"simple", "engine" or a Profiler',
  },
  enableCheckpointing: flag,
  checkpointIO: {
    isValid: (value) => isObject(value) && "saveCheckpoint" in value,
    expected: "a CheckpointIO",
  },
  enableModelSummary: flag,
  limitTrainBatches: limit,
  limitValBatches: limit,
  limitTestBatches: limit,
  limitPredictBatches: limit,
  overfitBatches: {
    isValid: limit.isValid,
    expected: "a count of batches (an integer >= 0, 0 for off) or a fraction between 0 and 1",
  },
  gradientClipVal: {
    isValid: (value) => typeof value === "number" && Number.isFinite(value) && value > 0,
    expected: "a number > 0",
  },
  gradientClipAlgorithm: {
    isValid: (value) => value === "norm" || value === "value",
    expected: '"norm" or "value"',
  },
  accumulateGradBatches: positive,
  numSanityValSteps: {
    isValid: (value) => isInteger(value, -1),
    expected: "an integer >= 0, or -1 for all batches",
  },
  valCheckInterval: {
    isValid: (value) =>
      isInteger(value, 1) || isFraction(value) || typeof value === "string" || isObject(value),
    expected:
      "a count of batches (an integer >= 1), a fraction between 0 and 1, or a time such as { minutes: 30 }; " +
      "leave it out to validate at the end of an epoch",
  },
  checkValEveryNEpoch: {
    isValid: (value) => value === null || isInteger(value, 1),
    expected: "an integer >= 1, or null to measure valCheckInterval across epochs",
  },
  reloadDataloadersEveryNEpochs: count,
  logEveryNSteps: count,
  defaultRootDir: {
    isValid: (value) => typeof value === "string" && value !== "",
    expected: "a folder's path",
  },
  fastDevRun: {
    isValid: (value) => typeof value === "boolean" || isInteger(value, 0),
    expected: "true, false or a count of batches",
  },
  barebones: flag,
  deterministic: {
    isValid: (value) => typeof value === "boolean" || value === "warn",
    expected: 'true, false or "warn"',
  },
  detectAnomaly: flag,
  accelerator: checkedByStrategy,
  devices: checkedByStrategy,
  numNodes: checkedByStrategy,
  strategy: checkedByStrategy,
  precision: checkedByStrategy,
  plugins: checkedByStrategy,
};

/** @throws ConfigurationError `ERR_TRAINER_OPTION` */
export function checkOptions(given: TrainerOptions): void {
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    if (!Object.hasOwn(rules, name)) {
      throw optionError(
        `The Trainer has no option ${JSON.stringify(name)}. ${describeChoices(name, Object.keys(rules))}`,
      );
    }
    const { isValid, expected } = rules[name as keyof TrainerOptions];
    if (value === undefined || isValid(value)) continue;
    throw optionError(`The Trainer's option ${name} must be ${expected}, not ${inspect(value)}.`);
  }
  checkTogether(given);
}

/** What `barebones` turns off. */
const extras = [
  "logger",
  "enableProgressBar",
  "enableCheckpointing",
  "enableModelSummary",
  "numSanityValSteps",
  "logEveryNSteps",
  "detectAnomaly",
  "profiler",
  "fastDevRun",
] as const satisfies (keyof TrainerOptions)[];

function checkTogether(given: TrainerOptions): void {
  const { overfitBatches = 0, checkValEveryNEpoch, valCheckInterval, barebones } = given;
  const limits = (["limitTrainBatches", "limitValBatches"] as const).filter(
    (name) => given[name] !== undefined,
  );
  if (overfitBatches !== 0 && limits.length > 0) {
    throw optionError(`overfitBatches sets the limits itself: leave out ${limits.join(" and ")}.`);
  }
  if (checkValEveryNEpoch === null && (valCheckInterval === undefined || isFraction(valCheckInterval))) {
    throw optionError(
      "checkValEveryNEpoch: null measures valCheckInterval across epochs, so valCheckInterval must be a count of " +
        `batches or a time, not ${inspect(valCheckInterval)}.`,
    );
  }
  for (const [least, most] of [
    ["minEpochs", "maxEpochs"],
    ["minSteps", "maxSteps"],
  ] as const) {
    const [from, to] = [given[least] ?? 0, given[most] ?? -1];
    if (to >= 0 && from > to) throw optionError(`${least}: ${from} is above ${most}: ${to}.`);
  }
  if (barebones !== true) return;
  const wanted = extras.filter(
    (name) => given[name] !== undefined && given[name] !== false && given[name] !== 0,
  );
  if (wanted.length > 0) {
    throw optionError(
      `barebones: true turns off ${wanted.join(", ")}, which the Trainer was given too. Leave out one or the other.`,
    );
  }
}

function optionError(message: string): ConfigurationError {
  return new ConfigurationError("ERR_TRAINER_OPTION", message);
}

function inspect(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
