/** Durations as options give them. */
import { inspect } from "node:util";
import { ConfigurationError } from "../errors.js";

/**
 * `"DD:HH:MM:SS"` or the parts by name, added up. A bare number is refused: half its readers would take it for seconds,
 * half for milliseconds.
 */
export type Duration =
  string | { days?: number; hours?: number; minutes?: number; seconds?: number; milliseconds?: number };

const MILLISECONDS = { days: 86_400_000, hours: 3_600_000, minutes: 60_000, seconds: 1000, milliseconds: 1 };

/**
 * @param option what to call the duration in the error
 * @returns milliseconds
 * @throws ConfigurationError `ERR_DURATION` for anything that is no duration above 0
 */
export function durationMilliseconds(duration: Duration, option: string): number {
  const total = typeof duration === "string" ? fromText(duration) : fromParts(duration);
  if (total > 0 && Number.isFinite(total)) return total;
  throw new ConfigurationError(
    "ERR_DURATION",
    `${option} must be a duration above 0, "DD:HH:MM:SS" or { days, hours, minutes, seconds, milliseconds }, ` +
      `not ${inspect(duration)}.` +
      (typeof duration === "number" ? ` Say which unit: { seconds: ${String(duration)} }.` : ""),
  );
}

/** NaN for what is none. */
function fromText(text: string): number {
  const match = /^(\d+):(\d{2}):(\d{2}):(\d{2})$/.exec(text);
  if (match === null) return NaN;
  const [days, hours, minutes, seconds] = match.slice(1).map(Number) as [number, number, number, number];
  return fromParts({ days, hours, minutes, seconds });
}

function fromParts(parts: object): number {
  if (typeof parts !== "object" || parts === null) return NaN;
  return Object.entries(parts).reduce((sum, [unit, count]: [string, unknown]) => {
    if (count === undefined) return sum;
    const length = (MILLISECONDS as Record<string, number>)[unit];
    if (length === undefined || typeof count !== "number" || count < 0) return NaN;
    return sum + count * length;
  }, 0);
}
