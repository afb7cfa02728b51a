/** How an object detector becomes an ONNX file: its input, its outputs, and what the file says of them. */
import * as tf from "@tensorflow/tfjs-core";
import type { PixelNormalization } from "../../backbones/index.js";
import { taskMetadata, type OnnxExportOptions, type OnnxModuleExportOptions } from "../../onnx/index.js";
import { normalizePixels } from "../image/batch_transforms.js";
import { randomPictures } from "../image/export_image_classifier.js";
import { appendSuppression, DETECTION_OUTPUTS } from "./append_suppression.js";
import { resolveDetectionOptions, type DetectionOptions } from "./decode_detections.js";
import type { Predictions } from "./network/detector_network.js";

/** Options of `ObjectDetector.exportOnnx`; which detections count is fixed in the file. */
export interface ObjectDetectorExportOptions
  extends Pick<OnnxExportOptions, "weights" | "externalData">, DetectionOptions {
  /**
   * Whether the file normalises pictures itself. Then it takes `pixels`, uint8 [batch, size, size, 3], as decoders give them;
   * else `pixel_values`, float32 [batch, 3, size, size] that is normalised already. Pictures are letterboxed before either
   * way. Default: false.
   */
  preprocessing?: boolean;
  /**
   * Whether the file finds the boxes itself (see `ObjectDetector.exportOnnx`). Without, it gives what the network says of all
   * places: `scores` [batch, places, classes], 0 to 1, and `boxes` [batch, places, 4]. Default: true.
   */
  nms?: boolean;
}

/** What of a detector the file is made of. */
export interface ExportedDetector {
  task: string;
  labels: readonly string[];
  input: PixelNormalization;
  imageSize: number;
  /** How pictures come into the square, for the file's metadata. */
  letterbox: string;
  /** Normalised pictures [batch, size, size, 3] to scores and boxes. */
  predictions: (pixels: tf.Tensor) => Predictions;
}

/** What `exportOnnx` is to be told of a detector. */
export function detectorExport(
  { task, labels, input, imageSize, letterbox, predictions }: ExportedDetector,
  { preprocessing = false, nms = true, weights, externalData, ...options }: ObjectDetectorExportOptions,
): OnnxModuleExportOptions<Record<string, tf.Tensor>> {
  const name = preprocessing ? "pixels" : "pixel_values";
  const shape = preprocessing ? [2, imageSize, imageSize, 3] : [2, 3, imageSize, imageSize];
  const counted = resolveDetectionOptions(options);
  const outputs = nms ? DETECTION_OUTPUTS : ["scores", "boxes"];
  return {
    ...(weights && { weights }),
    ...(externalData !== undefined && { externalData }),
    inputs: { [name]: randomPictures(shape, preprocessing) },
    forward: (given) => {
      const tensor = given[name]!;
      const pixels = preprocessing ? normalizePixels(tensor, input) : tf.transpose(tensor, [0, 2, 3, 1]);
      return predictions(pixels);
    },
    ...(nms && {
      finish: (graph) => {
        const [, places] = graph.values.get("scores")!.shape;
        appendSuppression(graph, { ...counted, places: places as number, numClasses: labels.length });
      },
    }),
    metadata: taskMetadata({
      task,
      labels,
      inputs: [name],
      outputs,
      input,
      imageSize,
      letterbox,
      preprocessing,
      ...(nms && counted),
    }),
  };
}
