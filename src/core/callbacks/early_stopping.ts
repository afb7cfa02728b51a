/** Ends training when a metric has stopped improving. */
import { ConfigurationError } from "../../errors.js";
import type { Stage } from "../data_module.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";
import {
  checkMode,
  hasNewMetrics,
  isBetter,
  monitoredScore,
  runsAfterValidation,
  savedNumber,
  type Mode,
} from "./monitoring.js";

/** Options of `EarlyStopping`. */
export interface EarlyStoppingOptions {
  /** The logged metric to watch. */
  monitor: string;
  /** Whether less or more of it is better. Default: "min". */
  mode?: Mode;
  /** Checks (not epochs) without improvement before training ends. Default: 3. */
  patience?: number;
  /** Improvements up to this size do not count. Default: 0. */
  minDelta?: number;
  /** Whether it is an error where the metric was not logged; otherwise such a check is left out. Default: true. */
  strict?: boolean;
  /** Whether a metric that is NaN or infinite ends training at once. Default: true. */
  checkFinite?: boolean;
  /** Training ends at once when the metric is better than this. Default: none. */
  stoppingThreshold?: number;
  /** Training ends at once when the metric is worse than this. Default: none. */
  divergenceThreshold?: number;
  /**
   * Whether to check at the end of an epoch, or after each validation. Default: after validation where that runs several
   * times an epoch, else at the end of each epoch, with `checkValEveryNEpoch` above 1 of those that were validated.
   */
  checkOnTrainEpochEnd?: boolean;
  /** Whether to say when the metric improves and why training ends. Default: false. */
  verbose?: boolean;
}

/** Why `EarlyStopping` ended training. */
export type StoppingReason =
  "notStopped" | "stoppingThreshold" | "divergenceThreshold" | "patienceExhausted" | "nonFiniteMetric";

/** Ends training when a metric no longer improves. */
export class EarlyStopping extends Callback {
  readonly monitor: string;
  readonly mode: Mode;
  readonly patience: number;
  readonly minDelta: number;
  readonly strict: boolean;
  readonly checkFinite: boolean;
  readonly stoppingThreshold: number | undefined;
  readonly divergenceThreshold: number | undefined;
  readonly #checkOnTrainEpochEnd: boolean | undefined;
  readonly #verbose: boolean;
  /** Checks since the last improvement. */
  waitCount = 0;
  /** NaN before the first check. */
  bestScore = NaN;
  /** The 0-based epoch after which training was stopped. */
  stoppedEpoch: number | undefined;
  stoppingReason: StoppingReason = "notStopped";
  /** The reason in words. */
  stoppingReasonMessage: string | undefined;

  /** @throws ConfigurationError `ERR_MONITOR_MODE`, `ERR_EARLY_STOPPING` */
  constructor(options: EarlyStoppingOptions) {
    super();
    const { monitor, mode = "min", patience = 3, minDelta = 0, strict = true, checkFinite = true } = options;
    checkMode("EarlyStopping", mode);
    refuse("patience", patience, Number.isSafeInteger(patience) && patience >= 0, "an integer >= 0");
    refuse("minDelta", minDelta, Number.isFinite(minDelta) && minDelta >= 0, "a number >= 0");
    this.monitor = monitor;
    this.mode = mode;
    this.patience = patience;
    this.minDelta = minDelta;
    this.strict = strict;
    this.checkFinite = checkFinite;
    this.stoppingThreshold = options.stoppingThreshold;
    this.divergenceThreshold = options.divergenceThreshold;
    this.#checkOnTrainEpochEnd = options.checkOnTrainEpochEnd;
    this.#verbose = options.verbose ?? false;
  }

  override get stateKey(): string {
    return `EarlyStopping(${this.monitor}, ${this.mode})`;
  }

  override get monitors(): boolean {
    return true;
  }

  override setup(_trainer: Trainer, _module: AnyLightningModule, stage: Stage): void {
    if (stage !== "fit") return;
    this.waitCount = 0;
    this.bestScore = NaN;
    this.stoppedEpoch = undefined;
    this.stoppingReason = "notStopped";
    this.stoppingReasonMessage = undefined;
  }

  /** @throws ConfigurationError `ERR_MONITOR_MISSING` where the metric was not logged, unless `strict` is false */
  override onValidationEnd(trainer: Trainer): void {
    if (trainer.state.fn !== "fit" || trainer.sanityChecking) return;
    if (!this.#endsEpoch(trainer)) this.#check(trainer);
  }

  /** @throws ConfigurationError as `onValidationEnd` */
  override onTrainEpochEnd(trainer: Trainer): void {
    if (!this.#endsEpoch(trainer)) return;
    if (this.#checkOnTrainEpochEnd === true || hasNewMetrics(trainer)) this.#check(trainer);
  }

  override stateDict(): Record<string, unknown> {
    const { waitCount, bestScore, stoppedEpoch, stoppingReason, stoppingReasonMessage } = this;
    const stopped = { stoppedEpoch, stoppingReason, stoppingReasonMessage };
    return { waitCount, bestScore: savedNumber(bestScore), ...(stoppedEpoch === undefined ? {} : stopped) };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    const { bestScore = NaN, ...rest } = state;
    Object.assign(this, rest, { bestScore: Number(bestScore) });
  }

  #endsEpoch(trainer: Trainer): boolean {
    return this.#checkOnTrainEpochEnd ?? !runsAfterValidation(trainer);
  }

  #check(trainer: Trainer): void {
    if (!this.strict && trainer.callbackMetrics[this.monitor] === undefined) return;
    const score = monitoredScore(trainer, "EarlyStopping", this.monitor);
    const stop = this.#judge(score, trainer);
    if (stop === undefined) return;
    [this.stoppingReason, this.stoppingReasonMessage] = stop;
    this.stoppedEpoch = trainer.currentEpoch;
    trainer.shouldStop = true;
    if (this.#verbose) trainer.print(`EarlyStopping: ${this.stoppingReasonMessage}; stopping.`);
  }

  /** @returns why to stop, if to stop */
  #judge(score: number, trainer: Trainer): [StoppingReason, string] | undefined {
    const { monitor, mode, stoppingThreshold, divergenceThreshold, bestScore } = this;
    if (this.checkFinite && !Number.isFinite(score)) return ["nonFiniteMetric", `${monitor} is ${score}`];
    if (stoppingThreshold !== undefined && isBetter(score, stoppingThreshold, mode)) {
      return ["stoppingThreshold", `${monitor} reached ${score}, better than ${stoppingThreshold}`];
    }
    if (divergenceThreshold !== undefined && isBetter(divergenceThreshold, score, mode)) {
      return ["divergenceThreshold", `${monitor} reached ${score}, worse than ${divergenceThreshold}`];
    }
    if (isBetter(score, bestScore, mode, this.minDelta)) {
      this.bestScore = score;
      this.waitCount = 0;
      const before = Number.isNaN(bestScore) ? "" : `, before ${bestScore}`;
      if (this.#verbose) trainer.print(`EarlyStopping: ${monitor} improved to ${score}${before}.`);
      return undefined;
    }
    this.waitCount++;
    if (this.waitCount < this.patience) return undefined;
    const message = `${monitor} did not improve in ${this.waitCount} checks; its best was ${bestScore}`;
    return ["patienceExhausted", message];
  }
}

function refuse(option: string, value: number, isValid: boolean, expected: string): void {
  if (isValid) return;
  throw new ConfigurationError(
    "ERR_EARLY_STOPPING",
    `EarlyStopping's ${option} must be ${expected}, not ${value}.`,
  );
}
