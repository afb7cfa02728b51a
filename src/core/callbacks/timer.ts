/** Measures how long a run takes, and ends training when its time is up. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import { durationMilliseconds, type Duration } from "../duration.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";

/** Options of `Timer`. */
export interface TimerOptions {
  /** How long training may take, earlier parts of a resumed run included. Default: no limit, times are only measured. */
  duration?: Duration;
  /** Whether to look at the clock after each batch or each epoch. Default: "step". */
  interval?: "step" | "epoch";
  /** Whether to say when time is up. Default: true. */
  verbose?: boolean;
}

/** What a Timer measures. Validation inside a fit counts as training too. */
export type TimedStage = "train" | "validate" | "test" | "predict";

/**
 * The Trainer's `maxTime` adds one. All times are in seconds. A checkpoint keeps the training time spent so far, so that a
 * run that is resumed gets what was left.
 */
export class Timer extends Callback {
  readonly #duration: number | undefined;
  readonly #interval: "step" | "epoch";
  readonly #verbose: boolean;
  readonly #start = new Map<TimedStage, number>();
  readonly #end = new Map<TimedStage, number>();
  /** Training time of the runs before, in seconds. */
  #offset = 0;

  /** @throws ConfigurationError `ERR_DURATION`, `ERR_TIMER` for another interval */
  constructor({ duration, interval = "step", verbose = true }: TimerOptions = {}) {
    super();
    if (interval !== "step" && interval !== "epoch") {
      throw new ConfigurationError(
        "ERR_TIMER",
        `Timer's interval cannot be ${JSON.stringify(interval)}. ${describeChoices(String(interval), ["step", "epoch"])}`,
      );
    }
    this.#duration =
      duration === undefined ? undefined : durationMilliseconds(duration, "Timer's duration") / 1000;
    this.#interval = interval;
    this.#verbose = verbose;
  }

  /** When a stage began, in seconds on the clock of `performance.now()`. */
  startTime(stage: TimedStage = "train"): number | undefined {
    return this.#start.get(stage);
  }

  /** When a stage ended; undefined while it runs. */
  endTime(stage: TimedStage = "train"): number | undefined {
    return this.#end.get(stage);
  }

  /** Seconds spent in a stage so far; 0 before it began. */
  timeElapsed(stage: TimedStage = "train"): number {
    const start = this.#start.get(stage);
    const offset = stage === "train" ? this.#offset : 0;
    return start === undefined ? offset : (this.#end.get(stage) ?? now()) - start + offset;
  }

  /** Seconds left of the duration, at least 0; undefined without one. */
  timeRemaining(stage: TimedStage = "train"): number | undefined {
    return this.#duration === undefined ? undefined : Math.max(0, this.#duration - this.timeElapsed(stage));
  }

  override setup(_trainer: Trainer, _module: unknown, stage: string): void {
    if (stage !== "fit") return;
    this.#start.delete("train");
    this.#end.delete("train");
    this.#offset = 0;
  }

  /** Time that was already up when a checkpoint was written stays up. */
  override onFitStart(trainer: Trainer): void {
    this.#check(trainer);
  }

  override onTrainStart(): void {
    this.#begin("train");
  }

  override onTrainBatchEnd(trainer: Trainer): void {
    if (this.#interval === "step") this.#check(trainer);
  }

  override onTrainEpochEnd(trainer: Trainer): void {
    if (this.#interval === "epoch") this.#check(trainer);
  }

  override onTrainEnd(): void {
    this.#end.set("train", now());
  }

  override onValidationStart(): void {
    this.#begin("validate");
  }

  override onValidationEnd(): void {
    this.#end.set("validate", now());
  }

  override onTestStart(): void {
    this.#begin("test");
  }

  override onTestEnd(): void {
    this.#end.set("test", now());
  }

  override onPredictStart(): void {
    this.#begin("predict");
  }

  override onPredictEnd(): void {
    this.#end.set("predict", now());
  }

  override stateDict(): Record<string, unknown> {
    return { timeElapsed: this.timeElapsed() };
  }

  override loadStateDict({ timeElapsed }: Record<string, unknown>): void {
    this.#offset = timeElapsed as number;
  }

  #begin(stage: TimedStage): void {
    this.#start.set(stage, now());
    this.#end.delete(stage);
  }

  #check(trainer: Trainer): void {
    if (this.timeRemaining() !== 0) return;
    trainer.shouldStop = true;
    if (!this.#verbose) return;
    const elapsed = this.timeElapsed().toFixed(1);
    trainer.print(`Timer: ${elapsed} s of training have passed, ${this.#duration} s were allowed; stopping.`);
  }
}

function now(): number {
  return performance.now() / 1000;
}
