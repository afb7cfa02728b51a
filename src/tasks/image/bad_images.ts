/** Finds the pictures of a part that cannot be used, before they break a batch. */
import {
  checkImageHeader,
  findBadSamples,
  summarizeBadSamples,
  type BadSample,
  type BadSamplePolicy,
  type DecodeLimits,
  type ImageDataset,
} from "../../data/index.js";
import { DataError } from "../../errors.js";

const LISTED = 10;

/**
 * Every picture is decoded where that costs nothing, since all of them are kept in memory, and with `skip` in any case;
 * else, with `error`, only headers are read.
 *
 * @returns the bad pictures; with `error` there are none
 * @throws DataError with `error`: of the first bad picture, listing the others
 */
export async function findBadImages(
  dataset: ImageDataset,
  policy: BadSamplePolicy,
  limits: DecodeLimits,
): Promise<BadSample[]> {
  const decode = async (index: number): Promise<void> => {
    await dataset.prepare(index);
  };
  const readHeader = (index: number) => checkImageHeader(dataset.sources[index]!, limits);
  const check = policy === "skip" || dataset.fitsInMemory ? decode : readHeader;
  const bad = await findBadSamples(dataset.length, check);
  if (policy === "skip" || bad.length === 0) return bad;
  throw summarizeBadSamples(bad, dataset.length);
}

/** One error for all rows of a table that cannot be used. */
export function badRowsError(file: string, badRows: readonly DataError[]): DataError {
  const [first] = badRows;
  if (badRows.length === 1) return first!;
  const list = badRows.slice(0, LISTED).map(({ message }) => `  ${message}`);
  if (badRows.length > LISTED) list.push(`  and ${badRows.length - LISTED} more`);
  return new DataError(
    "ERR_TABLE_ROW",
    `${badRows.length} rows of ${file} cannot be used. Mend them, or leave them out with onBadSample: "skip".\n${list.join("\n")}`,
    { path: file, row: first!.row },
  );
}
