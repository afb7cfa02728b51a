/** Where `log()` may be called, what it does there by default, and which stage's values it adds to. */
import { ConfigurationError } from "../../errors.js";

export type LoggingStage = "train" | "validate" | "test";

interface LogRule {
  stage: LoggingStage;
  /** The defaults in this hook. */
  onStep: boolean;
  onEpoch: boolean;
  /** Whether the hook belongs to one batch, so that `onStep: true` means something. */
  perBatch: boolean;
}

const trainBatch: LogRule = { stage: "train", onStep: true, onEpoch: false, perBatch: true };
const trainEpoch: LogRule = { stage: "train", onStep: false, onEpoch: true, perBatch: false };
const validationBatch: LogRule = { stage: "validate", onStep: false, onEpoch: true, perBatch: true };
const validationEpoch: LogRule = { ...validationBatch, perBatch: false };
const testBatch: LogRule = { ...validationBatch, stage: "test" };
const testEpoch: LogRule = { ...testBatch, perBatch: false };

const rules: Record<string, LogRule> = {
  trainingStep: trainBatch,
  onTrainBatchStart: trainBatch,
  onTrainBatchEnd: trainBatch,
  onBeforeZeroGrad: trainBatch,
  onBeforeBackward: trainBatch,
  onAfterBackward: trainBatch,
  onBeforeOptimizerStep: trainBatch,
  optimizerStep: trainBatch,
  optimizerZeroGrad: trainBatch,
  configureGradientClipping: trainBatch,
  onTrainStart: trainEpoch,
  onTrainEpochStart: trainEpoch,
  onTrainEpochEnd: trainEpoch,
  validationStep: validationBatch,
  onValidationBatchStart: validationBatch,
  onValidationBatchEnd: validationBatch,
  onValidationStart: validationEpoch,
  onValidationEpochStart: validationEpoch,
  onValidationEpochEnd: validationEpoch,
  testStep: testBatch,
  onTestBatchStart: testBatch,
  onTestBatchEnd: testBatch,
  onTestStart: testEpoch,
  onTestEpochStart: testEpoch,
  onTestEpochEnd: testEpoch,
};

/** Options of `log` and `logDict`. */
export interface LogOptions {
  /** Show the value in the progress bar. Default: false. */
  progBar?: boolean;
  /** Send the value to the loggers. Default: true. */
  logger?: boolean;
  /** Log the value of each step. Default: true in training steps, false in validation and test steps. */
  onStep?: boolean;
  /** Log the value over the epoch. Default: false in training steps, true everywhere else. */
  onEpoch?: boolean;
  /** How the values of an epoch become one. Means are weighted by batch size. Default: "mean". */
  reduceFx?: "mean" | "min" | "max" | "sum";
  /** The weight of this value in the epoch's mean. Default: the first axis of the batch's tensors. */
  batchSize?: number;
  /**
   * Where several loaders are evaluated, whether the name ends in `/dataloader_idx_N`. With false, values of one name are
   * taken together. Default: true.
   */
  addDataloaderIdx?: boolean;
}

/** What the Trainer puts between a name and the number of its loader. */
export const DATALOADER_SUFFIX = "/dataloader_idx_";

/** How one value is logged, all defaults filled in. */
export interface ResolvedLog {
  stage: LoggingStage;
  perBatch: boolean;
  progBar: boolean;
  logger: boolean;
  onStep: boolean;
  onEpoch: boolean;
  reduceFx: "mean" | "min" | "max" | "sum";
}

const reductions = ["mean", "min", "max", "sum"];

/** @param accumulates whether the value is a Metric, which sums itself up and has a value only over the epoch */
export function resolveLog(
  hook: string | undefined,
  name: string,
  options: LogOptions,
  accumulates: boolean,
): ResolvedLog {
  const rule = hook === undefined ? undefined : rules[hook];
  const quoted = (): string => JSON.stringify(name);
  if (rule === undefined) {
    const place = hook === undefined ? "outside the Trainer's hooks" : `inside \`${hook}\``;
    throw new ConfigurationError(
      "ERR_LOG_NOT_ALLOWED",
      `log(${quoted()}) was called ${place}, where no step or epoch is open to add it to. ` +
        "Log in a step or in an epoch hook, or give the value to a logger directly: this.logger.logMetrics({ name: value }, step).",
    );
  }
  if (name.includes(DATALOADER_SUFFIX)) {
    throw new ConfigurationError(
      "ERR_LOG_NAME",
      `log(${quoted()}): names must not contain ${JSON.stringify(DATALOADER_SUFFIX)}, which is added for you where several ` +
        "loaders are evaluated. Leave it out, or pass { addDataloaderIdx: false } and another name.",
    );
  }
  const { stage, perBatch } = rule;
  const onStep = options.onStep ?? (rule.onStep && !accumulates);
  const onEpoch = options.onEpoch ?? (rule.onEpoch || accumulates);
  const { progBar = false, logger = true, reduceFx = "mean" } = options;
  if (onStep && !perBatch) {
    throw new ConfigurationError(
      "ERR_LOG_ON_STEP",
      `log(${quoted()}, { onStep: true }) was called inside \`${hook}\`, which belongs to no step. Leave onStep out there.`,
    );
  }
  if (onStep && accumulates) {
    throw new ConfigurationError(
      "ERR_LOG_ON_STEP",
      `log(${quoted()}, { onStep: true }) was given a Metric, which has a value over the epoch only. ` +
        "Leave onStep out, or log the step's own number under another name.",
    );
  }
  if (!onStep && !onEpoch) {
    throw new ConfigurationError(
      "ERR_LOG_NEVER",
      `log(${quoted()}) with onStep and onEpoch both false logs nothing. Set one of them, or remove the call.`,
    );
  }
  if (!reductions.includes(reduceFx)) {
    throw new ConfigurationError(
      "ERR_LOG_REDUCE",
      `log(${quoted()}) was given reduceFx ${JSON.stringify(reduceFx)}. Choose one of "mean", "min", "max", "sum".`,
    );
  }
  return { stage, perBatch, progBar, logger, onStep, onEpoch, reduceFx };
}
