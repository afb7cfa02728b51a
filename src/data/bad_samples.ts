/** Finds the samples that cannot be loaded before they break a batch. */
import { DataError } from "../errors.js";

/** `error`: a sample that cannot be loaded stops everything; `skip`: it is left out and reported. */
export type BadSamplePolicy = "error" | "skip";

/** A sample that could not be used, and why. */
export interface BadSample {
  index: number;
  error: DataError;
}

/** Enough to keep libuv's threads busy. */
const IN_FLIGHT = 16;
const LISTED = 10;

/**
 * Tries every sample, several at once.
 *
 * @param check throws or rejects with a `DataError` for a bad sample; other errors are passed on
 * @returns the bad ones in the order of their index
 */
export async function findBadSamples(
  length: number,
  check: (index: number) => void | Promise<void>,
): Promise<BadSample[]> {
  const bad: BadSample[] = [];
  let next = 0;
  const work = async () => {
    while (next < length) {
      const index = next++;
      try {
        await check(index);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        bad.push({ index, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, length) }, work));
  return bad.sort((a, b) => a.index - b.index);
}

/** One error for all bad samples: code and path of the first, and a message that lists them. */
export function summarizeBadSamples(bad: readonly BadSample[], total: number): DataError {
  const { error } = bad[0]!;
  if (bad.length === 1) return error;
  const list = bad.slice(0, LISTED).map((sample) => `  ${sample.error.message}`);
  if (bad.length > LISTED) list.push(`  and ${bad.length - LISTED} more`);
  return new DataError(
    error.code,
    `${bad.length} of ${total} samples cannot be used. Mend or remove them, or leave them out with ` +
      `onBadSample: "skip".\n${list.join("\n")}`,
    { path: error.path, row: error.row, cause: error },
  );
}
