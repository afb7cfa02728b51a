/** Runs a detector's network over pictures, and says what is found in each in the picture's own pixels. */
import * as tf from "@tensorflow/tfjs-core";
import type { PixelNormalization } from "../../backbones/index.js";
import type { ImageSource } from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import type { HostTensor } from "../../host_tensor.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import { normalizePixels } from "../image/batch_transforms.js";
import {
  inPicture,
  selectDetections,
  type Candidates,
  type DetectionOptions,
  type Letterboxed,
} from "./decode_detections.js";
import { byPicture, type RawDetections } from "./detection_evaluation.js";
import { QueryNetwork } from "./imported/query_network.js";
import type { DetectorNetwork } from "./network/detector_network.js";
import { detectionPictureLoader } from "./predict_pictures.js";

/** A network, and how its pictures are prepared. */
export interface CandidateFinder {
  network: DetectorNetwork;
  input: PixelNormalization;
  square: Letterboxed;
}

/** In the order of the sources. @throws DataError as `decodeImage` does */
export async function* findCandidates(
  finder: CandidateFinder,
  sources: readonly ImageSource[],
  options: DetectionOptions,
): AsyncGenerator<Candidates> {
  const { network, square } = finder;
  if (network instanceof QueryNetwork) {
    for (const source of sources) yield await network.detect(source, options);
    return;
  }
  let left = sources.length;
  for await (const { input: pixels, originalSize } of detectionPictureLoader(sources, square)) {
    const sizes = originalSize.data;
    const found = run(finder, pixels).slice(0, left);
    left -= found.length;
    for (const [i, { scores, boxes }] of found.entries()) {
      const size = { width: sizes[2 * i]!, height: sizes[2 * i + 1]! };
      yield inPicture(selectDetections(scores, boxes, options), size, square);
    }
  }
}

function run({ network, input }: CandidateFinder, pixels: HostTensor): RawDetections[] {
  const { scores, boxes } = inEvalMode(network, () =>
    tf.tidy(() => network.decode(network.forward(normalizePixels(fromHost(pixels), input)))),
  );
  const result = byPicture(scores.dataSync<"float32">(), boxes.dataSync<"float32">(), pixels.shape[0]!);
  tf.dispose([scores, boxes]);
  return result;
}
