/** The options of a learning rate range test, checked, with their defaults. */
import { describeChoices } from "../../errors.js";
import type { SuggestionOptions } from "./lr_finder.js";
import { optionError, requireCount } from "./tuner_options.js";

/** Options of `tuner.lrFind`. */
export interface LrFindOptions {
  /** The learning rate of the first step. Default: 1e-8. */
  minLr?: number;
  /** The learning rate of the last step. Default: 1. */
  maxLr?: number;
  /** Optimizer steps. Default: 100. */
  numTraining?: number;
  /** Whether the learning rate is multiplied, or grows by the same amount, from step to step. Default: "exponential". */
  mode?: "exponential" | "linear";
  /** Stops when the smoothed loss is so many times the best; `null` for never. Default: 4. */
  earlyStopThreshold?: number | null;
  /** Whether the suggestion is set as the attribute that `configureOptimizers` reads. Default: true. */
  updateAttr?: boolean;
  /** That attribute's name. Default: `lr`, or `learningRate` where there is no `lr`. */
  attrName?: string;
  /** How to choose the learning rate that is set. Default: "steepest". */
  method?: SuggestionOptions["method"];
}

const MODES = ["exponential", "linear"] as const;

export type ResolvedLrFindOptions = Required<Omit<LrFindOptions, "attrName">> &
  Pick<LrFindOptions, "attrName">;

/** @throws ConfigurationError `ERR_TUNER_OPTION` */
export function resolveLrFindOptions({
  minLr = 1e-8,
  maxLr = 1,
  numTraining = 100,
  mode = "exponential",
  earlyStopThreshold = 4,
  updateAttr = true,
  attrName,
  method = "steepest",
}: LrFindOptions): ResolvedLrFindOptions {
  if (!(minLr > 0 && maxLr > minLr)) {
    throw optionError(`lrFind takes minLr above 0 and maxLr above minLr, not ${minLr} and ${maxLr}`);
  }
  if (!MODES.includes(mode)) {
    throw optionError(
      `lrFind has no mode ${JSON.stringify(mode)}. ${describeChoices(mode, MODES).replace(/\.$/, "")}`,
    );
  }
  requireCount("lrFind", "numTraining", numTraining, 2);
  if (earlyStopThreshold !== null && !(earlyStopThreshold > 1)) {
    throw optionError(
      `lrFind takes earlyStopThreshold above 1, or null for never, not ${earlyStopThreshold}`,
    );
  }
  return {
    minLr,
    maxLr,
    numTraining,
    mode,
    earlyStopThreshold,
    updateAttr,
    method,
    ...(attrName !== undefined && { attrName }),
  };
}
