/** The batches of a loop: how many there are after limits, and which one is the last. */
import { ConfigurationError, DataError } from "../../errors.js";
import type { BatchLoader } from "../data_module.js";

export interface BatchSource {
  readonly loader: BatchLoader;
  /** How many batches will be taken; Infinity where the loader does not tell and nothing limits it. */
  readonly total: number;
}

export interface NumberedBatch {
  readonly batch: unknown;
  /** 0-based, in this pass over the loader. */
  readonly index: number;
  readonly isLast: boolean;
}

/**
 * @param limit a fraction between 0 and 1, a count, or undefined for all
 * @param option the limit's name, for errors
 */
export function limitBatches(loader: BatchLoader, limit: number | undefined, option: string): BatchSource {
  const length = loader.length;
  if (length === 0 && limit !== 0) {
    throw new DataError(
      "ERR_LOADER_EMPTY",
      `The loader that ${option} applies to has no batches. Check that its data set holds samples` +
        " and that dropLast does not drop them all.",
    );
  }
  if (limit === undefined) return { loader, total: length ?? Infinity };
  if (limit === 0 || limit >= 1) return { loader, total: Math.min(limit, length ?? Infinity) };
  if (length === undefined) {
    throw new ConfigurationError(
      "ERR_LIMIT_FRACTION",
      `${option}: ${limit} is a fraction, and the loader does not tell its length. Give a count of batches.`,
    );
  }
  const total = Math.floor(length * limit);
  if (total === 0) {
    throw new ConfigurationError(
      "ERR_LIMIT_FRACTION",
      `${option}: ${limit} of ${length} batches is less than one batch. ` +
        `The smallest usable fraction is ${1 / length}; a count of 1 means one batch.`,
    );
  }
  return { loader, total };
}

/** Has the next pass begin at a batch of an epoch, where the loader can do so without reading the ones before. */
export function seek({ loader }: BatchSource, epoch: number, batch: number): boolean {
  loader.loadStateDict?.({ epoch, batch });
  return loader.loadStateDict !== undefined;
}

/**
 * The batches of one pass. A loader without a length is read one batch ahead, to know which is the last.
 *
 * @param skip how many to leave out at the start
 * @param isSought whether the loader itself leaves them out
 * @throws DataError `ERR_LOADER_SHORT` where a loader ends before its announced length
 */
export async function* numberBatches(
  { loader, total }: BatchSource,
  skip = 0,
  isSought = false,
): AsyncGenerator<NumberedBatch, void, void> {
  if (skip >= total) return;
  const sized = loader.length !== undefined;
  let ahead: NumberedBatch | undefined;
  let index = isSought ? skip : 0;
  for await (const batch of loader) {
    if (ahead !== undefined) yield ahead;
    ahead = undefined;
    const isLast = index + 1 === total;
    const numbered = { batch, index, isLast };
    index++;
    if (index <= skip) continue;
    if (sized || isLast) yield numbered;
    else ahead = numbered;
    if (isLast) return;
  }
  if (ahead !== undefined) yield { ...ahead, isLast: true };
  if (sized) {
    throw new DataError(
      "ERR_LOADER_SHORT",
      `A loader announced ${loader.length} batches and gave ${index}. Its length must be what it yields.`,
    );
  }
}
