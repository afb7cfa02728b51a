/** Checks the numbers that the data modules of all tasks take, before anything is read. */
import { checkDecodeLimits } from "../data/decode_limits.js";
import { checkShare } from "../data/splits.js";
import { ConfigurationError } from "../errors.js";

/** A module takes some of these. */
interface DataNumbers {
  valSplit?: number;
  testSplit?: number;
  seed?: number;
  batchSize?: number;
  cacheBytes?: number;
  minSeconds?: number;
  maxSeconds?: number;
  maxPixels?: number;
  maxBytes?: number;
  timeoutSeconds?: number;
}

/**
 * @throws ConfigurationError `ERR_DATA_OPTION`, `ERR_SPLIT` and `ERR_DECODE_OPTION` for numbers that these options cannot be
 */
export function checkDataOptions(options: DataNumbers): void {
  const { valSplit, testSplit, seed, batchSize, cacheBytes, minSeconds = 0, maxSeconds } = options;
  for (const share of [valSplit, testSplit]) if (share !== undefined) checkShare(share);
  check(
    "batchSize",
    batchSize,
    "a whole number from 1 on",
    (size) => Number.isSafeInteger(size) && size >= 1,
  );
  check("seed", seed, "a whole number", Number.isSafeInteger);
  check("cacheBytes", cacheBytes, "a number from 0 up", (bytes) => bytes >= 0);
  check("minSeconds", minSeconds, "a number from 0 up", (seconds) => seconds >= 0);
  check(
    "maxSeconds",
    maxSeconds,
    `a number above \`minSeconds\`, ${minSeconds}`,
    (most) => most > minSeconds,
  );
  checkDecodeLimits(options);
}

function check(
  name: keyof DataNumbers,
  value: number | undefined,
  expected: string,
  isValid: (value: number) => boolean,
): void {
  if (value === undefined || isValid(value)) return;
  throw new ConfigurationError("ERR_DATA_OPTION", `\`${name}\` is ${expected}, not ${value}.`);
}
