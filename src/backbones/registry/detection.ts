/** The object detectors that have a name. */
import { IMAGENET_NORMALIZATION, type ImageInput } from "../image_backbone.js";
import type { BackboneEntry } from "./entry.js";
import { NO_NORMALIZATION } from "./image_inputs.js";

/** How pictures are prepared for a detector. */
export interface DetectionInput extends Pick<ImageInput, "rescaleFactor" | "mean" | "std"> {
  /** Pixels: a fixed size, or a shape that is kept between a shortest and a longest edge. */
  readonly resize:
    | { readonly height: number; readonly width: number }
    | { readonly shortestEdge: number; readonly longestEdge: number };
}

/** A line of the table of detectors. */
export interface DetectionBackboneEntry extends BackboneEntry {
  /** How pictures are prepared. A preprocessor's configuration beside the weights says it more exactly. */
  readonly input: DetectionInput;
}

function edges(shortestEdge: number, longestEdge: number): DetectionInput {
  return { resize: { shortestEdge, longestEdge }, ...IMAGENET_NORMALIZATION };
}

function square(size: number): DetectionInput {
  return { resize: { height: size, width: size }, ...NO_NORMALIZATION };
}

/** Parameters are those that their publishers state, all of the detector; features are its queries' or tokens'. */
export const detectionBackbones = {
  detr_resnet50: {
    source: "Xenova/detr-resnet-50",
    weights: "onnx",
    input: edges(800, 1333),
    numFeatures: 256,
    parameters: 41.5,
    licence: "Apache-2.0",
    tried: "no",
  },
  detr_resnet101: {
    source: "Xenova/detr-resnet-101",
    weights: "onnx",
    input: edges(800, 1333),
    numFeatures: 256,
    parameters: 60.5,
    licence: "Apache-2.0",
    tried: "no",
  },
  yolos_tiny: {
    source: "Xenova/yolos-tiny",
    weights: "onnx",
    input: edges(512, 1333),
    numFeatures: 192,
    parameters: 6.5,
    licence: "Apache-2.0",
    tried: "no",
  },
  yolos_small: {
    source: "Xenova/yolos-small",
    weights: "onnx",
    input: edges(512, 1333),
    numFeatures: 384,
    parameters: 30.7,
    licence: "Apache-2.0",
    tried: "no",
  },
  yolos_base: {
    source: "Xenova/yolos-base",
    weights: "onnx",
    input: edges(800, 1333),
    numFeatures: 768,
    parameters: 127.8,
    licence: "Apache-2.0",
    tried: "no",
  },
  rtdetr_r18: {
    source: "onnx-community/rtdetr_r18vd",
    weights: "onnx",
    input: square(640),
    numFeatures: 256,
    parameters: 20,
    licence: "Apache-2.0",
    tried: "no",
  },
  rtdetr_r50: {
    source: "onnx-community/rtdetr_r50vd",
    weights: "onnx",
    input: square(640),
    numFeatures: 256,
    parameters: 42,
    licence: "Apache-2.0",
    tried: "no",
  },
  dfine_nano: {
    source: "onnx-community/dfine_n_coco-ONNX",
    weights: "onnx",
    input: square(640),
    numFeatures: 128,
    parameters: 4,
    licence: "Apache-2.0",
    tried: "no",
  },
  dfine_small: {
    source: "onnx-community/dfine_s_coco-ONNX",
    weights: "onnx",
    input: square(640),
    numFeatures: 256,
    parameters: 10,
    licence: "Apache-2.0",
    tried: "no",
  },
} as const satisfies Record<string, DetectionBackboneEntry>;

/** The names of detectors. */
export type DetectionBackboneName = keyof typeof detectionBackbones;
