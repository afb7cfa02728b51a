/** The options of ModelCheckpoint, and which of them contradict each other. */
import { ConfigurationError } from "../../../errors.js";
import type { Duration } from "../../duration.js";
import { checkMode, type Mode } from "../monitoring.js";
import { checkTemplate } from "./file_name.js";

/** Options of `ModelCheckpoint`. */
export interface ModelCheckpointOptions {
  /** The folder. Default: `checkpoints` in the Trainer's `logDir`. */
  dirpath?: string;
  /**
   * The file's name without extension. `{epoch}`, `{step}` and names of logged metrics in braces stand for
   * `name=value`; `{val_loss:.2f}` gives two decimals and `{step:06d}` six digits. Default: "{epoch}-{step}".
   */
  filename?: string;
  /** Whether fields become `name=value`; without, only the value. Default: true. */
  autoInsertMetricName?: boolean;
  /** The logged metric that tells which checkpoint is better. Default: none, the last is kept. */
  monitor?: string;
  /** Whether less or more of it is better. Default: "min". */
  mode?: Mode;
  /** How many to keep; -1 for all, 0 for none. More than one needs `monitor`. Default: 1. */
  saveTopK?: number;
  /**
   * Whether to keep the newest state as `last.safetensors` besides: `true` writes it, "link" links to the newest
   * checkpoint where the state is kept anyway. Default: false.
   */
  saveLast?: boolean | "link";
  /** Whether a run that fails leaves its state, named by `filename`. Default: false. */
  saveOnException?: boolean;
  /** Whether to leave out all but the weights; training cannot go on from such files. Default: false. */
  saveWeightsOnly?: boolean;
  /** Optimizer steps from one checkpoint to the next, instead of `everyNEpochs`; 0 for never. */
  everyNTrainSteps?: number;
  /** Time from one checkpoint to the next, looked at after each batch, instead of `everyNEpochs`. */
  trainTimeInterval?: Duration;
  /** Epochs from one checkpoint to the next; 0 for never. Default: 1. */
  everyNEpochs?: number;
  /**
   * Whether to save at the end of an epoch, or after each validation. Default: after validation where that runs several
   * times an epoch, else at the end of each epoch, with `checkValEveryNEpoch` above 1 of those that were validated.
   */
  saveOnTrainEpochEnd?: boolean;
  /** Whether a name that is taken gets `-v1`; otherwise the file is replaced. Default: true. */
  enableVersionCounter?: boolean;
  /** Whether to say what is saved, and why. Default: false. */
  verbose?: boolean;
  /**
   * Whether the module has the best weights when fit has ended, not the last. Needs `monitor`. Default: true, but false
   * beside StochasticWeightAveraging, whose average is the result.
   */
  restoreBest?: boolean;
}

/** @throws ConfigurationError `ERR_MODEL_CHECKPOINT`, `ERR_MONITOR_MODE`, `ERR_CHECKPOINT_NAME` */
export function checkModelCheckpointOptions(options: ModelCheckpointOptions): void {
  const { monitor, mode = "min", saveTopK = 1, saveLast = false, filename = "" } = options;
  checkMode("ModelCheckpoint", mode);
  checkTemplate(filename);
  if (!Number.isInteger(saveTopK) || saveTopK < -1 || (saveTopK > 1 && monitor === undefined)) {
    fail(`ModelCheckpoint's saveTopK must be -1 (all), 0, 1, or with a monitor any count, not ${saveTopK}.`);
  }
  if (typeof saveLast !== "boolean" && saveLast !== "link") {
    fail(`ModelCheckpoint's saveLast must be true, false or "link", not ${JSON.stringify(saveLast)}.`);
  }
  if (options.restoreBest === true && monitor === undefined) {
    fail("ModelCheckpoint's restoreBest needs a monitor that tells which checkpoint is best.");
  }
  const triggers = (["everyNTrainSteps", "trainTimeInterval", "everyNEpochs"] as const).filter(
    (name) => options[name] !== undefined,
  );
  if (triggers.length > 1) {
    fail(
      `ModelCheckpoint was given ${triggers.join(" and ")}. Each says alone when to save: leave all but one out, ` +
        "or use one ModelCheckpoint for each.",
    );
  }
  for (const name of ["everyNTrainSteps", "everyNEpochs"] as const) {
    const count = options[name] ?? 0;
    if (!Number.isSafeInteger(count) || count < 0) {
      fail(`ModelCheckpoint's ${name} must be an integer >= 0, not ${count}.`);
    }
  }
}

function fail(message: string): never {
  throw new ConfigurationError("ERR_MODEL_CHECKPOINT", message);
}
