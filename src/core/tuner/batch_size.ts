/** Searches the largest batch that fits into memory. */
import { ConfigurationError, EngineError } from "../../errors.js";

export interface BatchSizeSearch {
  mode: "power" | "binsearch";
  initVal: number;
  maxTrials: number;
  maxVal: number;
  margin: number;
}

/** How a trial went: `batches` of an epoch, or undefined where memory was short. */
export type TryBatchSize = (size: number) => Promise<number | undefined>;

/**
 * Doubles the size until memory is short, the data are one batch, or `maxVal` is reached. "binsearch" then searches
 * between the largest size that fitted and the smallest that did not, and takes off the margin.
 *
 * @throws ConfigurationError `ERR_TUNER_MEMORY` where not even one sample fits
 */
export async function searchBatchSize(
  { mode, initVal, maxTrials, maxVal, margin }: BatchSizeSearch,
  tryOut: TryBatchSize,
): Promise<number> {
  let fits = 0;
  let tooLarge = Infinity;
  let size = initVal;
  for (let trial = 0; trial < maxTrials; trial++) {
    const batches = await tryOut(size);
    if (batches === undefined) tooLarge = size;
    else fits = size;
    if (tooLarge <= 1) throw tooSmallMemory();
    const isBounded = tooLarge < Infinity;
    if (!isBounded && (fits >= maxVal || batches! <= 1)) break;
    if (!isBounded) size = Math.min(2 * size, maxVal);
    else if (fits === 0) size = Math.floor(tooLarge / 2);
    else if (mode === "binsearch" && tooLarge - fits > 1) size = Math.floor((fits + tooLarge) / 2);
    else break;
  }
  if (fits === 0) throw tooSmallMemory();
  const hasMargin = mode === "binsearch" && tooLarge < Infinity;
  return hasMargin ? Math.max(1, Math.floor(fits * (1 - margin))) : fits;
}

function tooSmallMemory(): ConfigurationError {
  return new ConfigurationError(
    "ERR_TUNER_MEMORY",
    "scaleBatchSize found no batch size that fits into memory. Use a smaller model or smaller inputs, start lower " +
      "with initVal, or allow more trials with maxTrials.",
  );
}

/** Whether an error says that memory was too short: the engine's, or JavaScript's own for arrays. */
export function isOutOfMemory(error: unknown): boolean {
  if (error instanceof RangeError) return /array buffer allocation|array length/i.test(error.message);
  if (!(error instanceof EngineError)) return false;
  return (
    error.code === "ERR_ENGINE_MEMORY" ||
    /smaller than requested bytes|allocate memory|out of memory|bad.alloc/i.test(error.message)
  );
}
