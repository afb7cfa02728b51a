/** What callbacks that watch a metric share. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { Trainer } from "../trainer.js";

export type Mode = "min" | "max";

/** @throws ConfigurationError `ERR_MONITOR_MODE` */
export function checkMode(owner: string, mode: string): void {
  if (mode === "min" || mode === "max") return;
  throw new ConfigurationError(
    "ERR_MONITOR_MODE",
    `${owner} was given the mode ${JSON.stringify(mode)}. ${describeChoices(mode, ["min", "max"])}`,
  );
}

/** Whether a score beats another by more than `minDelta`. NaN beats nothing, and every number beats NaN. */
export function isBetter(score: number, than: number, mode: Mode, minDelta = 0): boolean {
  if (Number.isNaN(score)) return false;
  if (Number.isNaN(than)) return true;
  return mode === "min" ? score < than - minDelta : score > than + minDelta;
}

/**
 * Whether this epoch's end is one to look at the metrics: every one, but with `checkValEveryNEpoch` above 1 only those
 * that were validated, as the others have nothing new.
 */
export function hasNewMetrics(trainer: Trainer): boolean {
  if (trainer.options.fastDevRun) return false;
  return trainer.validatedEpoch === undefined || trainer.validatedEpoch === trainer.currentEpoch;
}

/** @throws ConfigurationError `ERR_MONITOR_MISSING` listing what was logged */
export function monitoredScore(trainer: Trainer, owner: string, monitor: string): number {
  const metrics = trainer.callbackMetrics;
  const score = metrics[monitor];
  if (score !== undefined) return score;
  const names = Object.keys(metrics);
  throw new ConfigurationError(
    "ERR_MONITOR_MISSING",
    `${owner} monitors ${JSON.stringify(monitor)}, which was not logged. ` +
      (names.length === 0 ? "Nothing was." : describeChoices(monitor, names)) +
      ` Log it with this.log(${JSON.stringify(monitor)}, value).`,
  );
}

/** A number as JSON keeps it: NaN and infinities by their names. */
export function savedNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** Whether validation runs several times an epoch, so that each of its ends has something new to look at. */
export function runsAfterValidation(trainer: Trainer): boolean {
  return trainer.validatedEpoch !== undefined && trainer.options.valCheckInterval !== undefined;
}
