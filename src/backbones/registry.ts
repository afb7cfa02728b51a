/** The image backbones that have a name, and how one is made. */
import { existsSync, statSync } from "node:fs";
import { ConfigurationError, describeChoices } from "../errors.js";
import type { ImageBackbone, TrainableBackbone } from "./image_backbone.js";
import { loadOnnxFolder } from "./onnx_folder.js";
import { imageBackbones, type ImageBackboneName } from "./registry/image.js";
import { imageArchitectures } from "./registry/image_architectures.js";
import { loadWeights } from "./weights.js";

/** The names that `backbone` takes, besides the path of a folder. */
export function availableBackbones(): ImageBackboneName[] {
  return Object.keys(imageBackbones) as ImageBackboneName[];
}

/**
 * @param name one of `availableBackbones()`, or a local folder in the Hugging Face layout
 * @param pretrained for a named architecture: the path of a safetensors file with torchvision's parameter names, or
 *   `false` for random weights. Left out, an architecture that usually comes with weights is an error that says how to get them.
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_WEIGHTS_UNAVAILABLE`, `ERR_PRETRAINED_OPTION`, `ERR_BACKBONE_FOLDER`
 * @throws CheckpointError where the weights do not fit
 */
export function createImageBackbone(name: string, pretrained?: boolean | string): ImageBackbone {
  if (!isImageBackboneName(name) && existsSync(name) && statSync(name).isDirectory()) {
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
  if (pretrained ?? name !== "small_cnn") {
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
  const architecture = isImageBackboneName(name) ? imageArchitectures[name] : undefined;
  if (!isImageBackboneName(name) || architecture === undefined) {
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
    input: imageBackbones[name].input,
    pretrained: false,
  };
}

function isImageBackboneName(name: string): name is ImageBackboneName {
  return Object.hasOwn(imageBackbones, name);
}
