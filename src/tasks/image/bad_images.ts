/** Finds the pictures of a part that cannot be used, before they break a batch. */
import {
  checkImageHeader,
  findBadSamples,
  type BadSample,
  type BadSamplePolicy,
  type DecodeLimits,
  type ImageDataset,
} from "../../data/index.js";

/**
 * Every picture is decoded where that costs nothing, since all of them are kept in memory, and with `skip` in any case;
 * else, with `error`, only headers are read.
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
  return findBadSamples(dataset.length, policy === "skip" || dataset.fitsInMemory ? decode : readHeader);
}
