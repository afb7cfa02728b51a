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
