/** Checks how much of a file's contents, a download and a picture may be taken. */
import { ConfigurationError } from "../errors.js";

interface Limits {
  maxPixels?: number | undefined;
  maxBytes?: number | undefined;
  maxDecodedSeconds?: number | undefined;
  timeoutSeconds?: number | undefined;
}

/** Timers of JavaScript count milliseconds in 31 bits. */
const LONGEST_SECONDS = 2_147_483;

/** @throws ConfigurationError `ERR_DECODE_OPTION` for what can be no limit */
export function checkDecodeLimits({ maxPixels, maxBytes, maxDecodedSeconds, timeoutSeconds }: Limits): void {
  for (const [name, value] of Object.entries({ maxPixels, maxBytes })) {
    if (value !== undefined && !(value >= 1)) refuse(`\`${name}\` is a number from 1 on, not ${value}.`);
  }
  if (maxDecodedSeconds !== undefined && !(maxDecodedSeconds > 0)) {
    refuse(`\`maxDecodedSeconds\` is a number above 0, not ${maxDecodedSeconds}.`);
  }
  if (timeoutSeconds === undefined || (timeoutSeconds > 0 && timeoutSeconds <= LONGEST_SECONDS)) return;
  refuse(`\`timeoutSeconds\` is above 0 and at most ${LONGEST_SECONDS}, not ${timeoutSeconds}.`);
}

function refuse(message: string): never {
  throw new ConfigurationError("ERR_DECODE_OPTION", message);
}
