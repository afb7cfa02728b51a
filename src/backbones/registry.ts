/** The image backbones that have a name, and how one is made. */
import type * as tf from "@tensorflow/tfjs-core";
import { existsSync, statSync } from "node:fs";
import { ConfigurationError, describeChoices } from "../errors.js";
import type { Module } from "../nn/index.js";
import {
  IMAGENET_NORMALIZATION,
  type ImageBackbone,
  type ImageInput,
  type TrainableBackbone,
} from "./image_backbone.js";
import { MobileNetV2 } from "./mobilenet_v2.js";
import { loadOnnxFolder } from "./onnx_folder.js";
import { resnet18 } from "./resnet.js";
import { SmallCnn } from "./small_cnn.js";
import { loadWeights } from "./weights.js";

interface Architecture {
  create: () => Module<tf.Tensor, tf.Tensor> & { readonly numFeatures: number };
  input: ImageInput;
  /** Whether users expect it to come with weights; then starting without any must be asked for. */
  usuallyPretrained: boolean;
}

/** What torchvision's classification models are evaluated with. */
const IMAGENET_INPUT: ImageInput = {
  ...IMAGENET_NORMALIZATION,
  resize: { shortestEdge: 256 },
  centerCrop: { height: 224, width: 224 },
  interpolation: "bilinear",
};

const architectures: Record<string, Architecture> = {
  small_cnn: {
    create: () => new SmallCnn(),
    input: { ...IMAGENET_NORMALIZATION, resize: { height: 64, width: 64 }, interpolation: "bilinear" },
    usuallyPretrained: false,
  },
  mobilenet_v2: { create: () => new MobileNetV2(), input: IMAGENET_INPUT, usuallyPretrained: true },
  resnet18: { create: () => resnet18(), input: IMAGENET_INPUT, usuallyPretrained: true },
};

/** The names that `backbone` takes, besides the path of a folder. */
export function availableBackbones(): string[] {
  return Object.keys(architectures);
}

/**
 * @param name one of `availableBackbones()`, or a local folder in the Hugging Face layout
 * @param pretrained for a named architecture: the path of a safetensors file with torchvision's parameter names, or
 *   `false` for random weights. Left out, an architecture that usually comes with weights is an error that says how to get them.
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_WEIGHTS_UNAVAILABLE`, `ERR_PRETRAINED_OPTION`, `ERR_BACKBONE_FOLDER`
 * @throws CheckpointError where the weights do not fit
 */
export function createImageBackbone(name: string, pretrained?: boolean | string): ImageBackbone {
  if (architectures[name] === undefined && existsSync(name) && statSync(name).isDirectory()) {
    if (pretrained === false || typeof pretrained === "string") {
      throw new ConfigurationError(
        "ERR_PRETRAINED_OPTION",
        `The backbone folder ${name} brings its own weights; leave \`pretrained\` out.`,
      );
    }
    return loadOnnxFolder(name);
  }
  const backbone = createArchitecture(name);
  if (typeof pretrained === "string") {
    loadWeights(backbone.module, pretrained);
    return { ...backbone, pretrained: true };
  }
  if (pretrained ?? architectures[name]!.usuallyPretrained) {
    throw new ConfigurationError(
      "ERR_WEIGHTS_UNAVAILABLE",
      `No weights for ${name} come with Kindling yet. Give \`pretrained: "weights.safetensors"\` (a file with torchvision's ` +
        `parameter names), a folder in the Hugging Face layout as \`backbone\`, or \`pretrained: false\` to start from random weights.`,
    );
  }
  return backbone;
}

/** A named architecture with random weights. */
export function createArchitecture(name: string): TrainableBackbone {
  const architecture = architectures[name];
  if (architecture === undefined) {
    throw new ConfigurationError(
      "ERR_UNKNOWN_BACKBONE",
      `There is no backbone ${JSON.stringify(name)}, and no folder of that name. ${describeChoices(name, availableBackbones())}`,
    );
  }
  const module = architecture.create();
  return {
    kind: "module",
    name,
    module,
    numFeatures: module.numFeatures,
    input: architecture.input,
    pretrained: false,
  };
}
