/** How progress is put into words. */
import type { ShownMetrics } from "./display.js";

/** Seconds as `m:ss`, from an hour on as `h:mm:ss`. */
export function formatTime(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const twoDigits = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${twoDigits(rest)}` : `${minutes}:${twoDigits(rest)}`;
}

/** `12.3 it/s`, or below one `2.5 s/it`. */
export function formatRate(batches: number, seconds: number): string {
  if (batches === 0 || seconds === 0) return "- it/s";
  const rate = batches / seconds;
  return rate >= 1 ? `${rate.toFixed(1)} it/s` : `${(1 / rate).toFixed(1)} s/it`;
}

/** `train_loss 0.5123, val_accuracy 0.9`, with four significant digits. */
export function formatMetrics(metrics: ShownMetrics): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : Number(value.toPrecision(4))}`)
    .join(", ");
}

/** `40/200`, or `40` where nobody knows how many there will be. */
export function formatCount(done: number, total: number): string {
  return Number.isFinite(total) ? `${done}/${total}` : String(done);
}
