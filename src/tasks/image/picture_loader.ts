/** Decodes pictures for prediction, batch by batch, the next ones while the network runs. */
import {
  DataLoader,
  decodeImage,
  imageToTensor,
  type Dataset,
  type ImageGeometry,
  type ImageSource,
} from "../../data/index.js";
import type { HostTensor } from "../../host_tensor.js";
import { stack } from "./feature_dataset.js";

/** A power of two. */
const BATCH_SIZE = 16;

/**
 * Batches uint8 [batch, height, width, 3] in the order of the sources. Behind the pictures of the last one are black ones up to
 * the next power of two, so that few shapes are compiled: leave out what comes of them.
 */
export function pictureLoader(
  sources: readonly ImageSource[],
  geometry: ImageGeometry,
): DataLoader<HostTensor, HostTensor> {
  const dataset: Dataset<HostTensor> = {
    length: sources.length,
    get: async (index) => imageToTensor(await decodeImage(sources[index]!, geometry)),
  };
  const collate = (pictures: HostTensor[]): HostTensor =>
    stack(pictures, 2 ** Math.ceil(Math.log2(pictures.length)));
  return new DataLoader(dataset, { batchSize: BATCH_SIZE, collate });
}
