/** The image backbones that have a name. */
import { IMAGENET_NORMALIZATION, type ImageInput } from "../image_backbone.js";
import type { BackboneEntry } from "./entry.js";

/** A line of the table of image backbones. */
export interface ImageBackboneEntry extends BackboneEntry {
  /** How pictures are prepared; a `preprocessor_config.json` beside the weights says it more exactly. */
  readonly input: ImageInput;
}

/** What torchvision's classification models are evaluated with. */
const IMAGENET_INPUT: ImageInput = {
  ...IMAGENET_NORMALIZATION,
  resize: { shortestEdge: 256 },
  centerCrop: { height: 224, width: 224 },
  interpolation: "bilinear",
};

export const imageBackbones = {
  small_cnn: {
    input: { ...IMAGENET_NORMALIZATION, resize: { height: 64, width: 64 }, interpolation: "bilinear" },
    numFeatures: 256,
    parameters: 0.4,
    licence: "Apache-2.0",
    tried: "architecture",
  },
  mobilenet_v2: {
    input: IMAGENET_INPUT,
    numFeatures: 1280,
    parameters: 2.2,
    licence: "BSD-3-Clause",
    tried: "architecture",
  },
  resnet18: {
    source: "timm/resnet18.tv_in1k",
    weights: "safetensors",
    input: IMAGENET_INPUT,
    numFeatures: 512,
    parameters: 11.2,
    licence: "BSD-3-Clause",
    tried: "architecture",
  },
} as const satisfies Record<string, ImageBackboneEntry>;

/** The names of image backbones. */
export type ImageBackboneName = keyof typeof imageBackbones;
