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
import { filledUp } from "../filled_batch.js";
import { stack } from "./feature_dataset.js";

const BATCH_SIZE = 16;

/**
 * Batches uint8 [batch, height, width, 3] in the order of the sources, the last one filled up (see `filledUp`): leave out what
 * comes of the pictures behind those of the sources.
 */
export function pictureLoader(
  sources: readonly ImageSource[],
  geometry: ImageGeometry,
): DataLoader<HostTensor, HostTensor> {
  const dataset: Dataset<HostTensor> = {
    length: sources.length,
    get: async (index) => imageToTensor(await decodeImage(sources[index]!, geometry)),
  };
  const collate = (pictures: HostTensor[]): HostTensor => stack(filledUp(pictures));
  return new DataLoader(dataset, { batchSize: BATCH_SIZE, collate });
}
