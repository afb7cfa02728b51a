/** Letterboxed pictures for prediction, batch by batch, the next ones decoded while the network runs. */
import { DataLoader, readImageSize, type Dataset, type ImageSource } from "../../data/index.js";
import { Generator } from "../../random.js";
import { filledUp } from "../filled_batch.js";
import {
  collateDetections,
  DetectionDataset,
  type DetectionDatasetOptions,
  type DetectionBatch,
  type DetectionRecord,
  type DetectionSample,
} from "./detection_dataset.js";

const BATCH_SIZE = 8;

/**
 * Batches in the order of the sources, the last one filled up (see `filledUp`): leave out what comes of the pictures behind those
 * of the sources.
 */
export function detectionPictureLoader(
  sources: readonly ImageSource[],
  options: Pick<DetectionDatasetOptions, "imageSize" | "letterbox">,
): DataLoader<DetectionSample, DetectionBatch> {
  const dataset: Dataset<DetectionSample> = {
    length: sources.length,
    get: async (index) => {
      const image = sources[index]!;
      const record: DetectionRecord = { image, ...(await readImageSize(image)), boxes: [] };
      return new DetectionDataset([record], options).get(0, new Generator(0));
    },
  };
  const collate = (samples: DetectionSample[]): DetectionBatch => collateDetections(filledUp(samples));
  return new DataLoader(dataset, { batchSize: BATCH_SIZE, collate });
}
