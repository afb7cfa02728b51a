/** What an ObjectDetector can be told, and what of it makes no sense. */
import type { PixelNormalization } from "../../backbones/index.js";
import { ConfigurationError } from "../../errors.js";
import type { ImportedDetector } from "./imported/find_imported_detector.js";
import type { MapEncoder } from "./network/map_encoder.js";
import { checkImageSize } from "./network/points.js";
import type { ObjectDetectionData } from "./object_detection_data.js";

/** A backbone of one's own for detectors. */
export interface DetectorBackbone {
  name: string;
  /** Gives maps at the strides 8, 16 and 32; for `ssdlite`, those at 16 and 32 do. */
  module: MapEncoder;
  input: PixelNormalization;
  /** Whether its weights were loaded rather than drawn. */
  pretrained: boolean;
}

/**
 * `fcos`: a feature pyramid and an anchor-free head with task-aligned assignment. `ssdlite`: depthwise layers on six coarser
 * maps, with default boxes; quicker and smaller, and weaker on small things.
 */
export type DetectorHead = "fcos" | "ssdlite";

/** Options of `ObjectDetector`. */
export interface ObjectDetectorOptions {
  /** Where `labels` come from, unless they are given; without either a detector keeps its own. */
  data?: ObjectDetectionData;
  /** The names of the classes, in the order of their ids. */
  labels?: readonly string[];
  /**
   * A name of `availableBackbones()`, a local folder in the Hugging Face layout, or a backbone of your own; or a detector
   * that others have trained: an ONNX file, or the folder that it is in.
   */
  backbone: string | DetectorBackbone | ImportedDetector;
  /** The path of weights as safetensors, or `false` for random weights; see `createImageBackbone`. */
  pretrained?: boolean | string;
  /** What is put on a backbone. Default: `fcos`. */
  head?: DetectorHead;
  /** Side of the square that pictures are brought to, a multiple of 32 pixels. Default: 320, or what a detector was made for. */
  imageSize?: number;
  /** AdamW's rate after warm-up, of everything but the backbone. Default: 1e-3; 4e-4 for a detector. */
  learningRate?: number;
  /** Default: 0.05. */
  weightDecay?: number;
}

/**
 * The names of the classes: those that are asked for, or else those that a detector has, whose publishers may have given
 * several the same name, as DETR's have.
 *
 * @throws ConfigurationError `ERR_DETECTOR_OPTION`
 */
export function detectorLabels(
  { labels, data }: Pick<ObjectDetectorOptions, "labels" | "data">,
  own: readonly string[] | undefined,
): readonly string[] {
  const wanted = labels ?? data?.labels;
  if (wanted !== undefined) return checkLabels(wanted);
  return own ?? refuse("An ObjectDetector needs `data` or `labels` to know its classes.");
}

function checkLabels(labels: readonly string[]): readonly string[] {
  if (labels.length === 0) refuse("An ObjectDetector needs at least one class to look for.");
  if (new Set(labels).size !== labels.length) refuse(`The labels repeat themselves: ${labels.join(", ")}.`);
  return labels;
}

/** @throws ConfigurationError `ERR_DETECTOR_OPTION`, `ERR_IMAGE_SIZE` */
export function checkObjectDetectorOptions(options: ObjectDetectorOptions): void {
  const { backbone, imageSize, learningRate, weightDecay } = options;
  if ((backbone as unknown) === undefined) {
    refuse(
      "An ObjectDetector needs a `backbone`: a name of `availableBackbones()`, a folder, or a detector's file.",
    );
  }
  if (imageSize !== undefined) checkImageSize(imageSize);
  for (const [name, value] of Object.entries({ learningRate, weightDecay })) {
    if (value !== undefined && !(value >= 0)) refuse(`\`${name}\` is a number from 0 up, not ${value}.`);
  }
}

function refuse(message: string): never {
  throw new ConfigurationError("ERR_DETECTOR_OPTION", message);
}
