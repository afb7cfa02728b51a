/** Makes image backbones: architectures of the registry, folders, and repositories on the hub. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError, describeChoices, HubError } from "../errors.js";
import {
  findBackboneFolder,
  openFolder,
  type BackboneFolder,
  type BackboneSourceOptions,
} from "./backbone_folder.js";
import { architectureOfFolder, readImageInput } from "./folder_config.js";
import { looksLikeRepository } from "./hub/index.js";
import type { ImageBackbone, TrainableBackbone } from "./image_backbone.js";
import { openOnnxFolder } from "./onnx_folder.js";
import { imageArchitectures } from "./registry/image_architectures.js";
import { findBackbone, type ImageBackboneName } from "./registry/index.js";
import { loadWeights } from "./weights.js";

/**
 * A backbone with its weights, which must be on this machine: `downloadBackbone` brings them from the hub.
 *
 * @param name one of `availableBackbones()`, a local folder in the Hugging Face layout, or a repository on the hub as
 *   `organisation/name`, with or without `@revision`
 * @param pretrained for an architecture of the registry: `false` for random weights, or other weights than the registry's: the
 *   path of a safetensors file with its publisher's parameter names, or a repository. Default: the registry's weights, or random
 *   ones where it has none.
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_WEIGHTS_UNAVAILABLE`, `ERR_PRETRAINED_OPTION`, `ERR_BACKBONE_FOLDER`,
 *   `ERR_BACKBONE_DTYPE`, `ERR_PREPROCESSOR_CONFIG`
 * @throws HubError `ERR_BACKBONE_NOT_DOWNLOADED`
 * @throws CheckpointError where the weights do not fit
 */
export function createImageBackbone(
  name: string,
  pretrained?: boolean | string,
  options: BackboneSourceOptions = {},
): ImageBackbone {
  const entry = findBackbone("image", name);
  const isArchitecture = entry !== undefined && architectureOf(name) !== undefined;
  if (!isArchitecture && (pretrained === false || typeof pretrained === "string")) {
    throw new ConfigurationError(
      "ERR_PRETRAINED_OPTION",
      `The backbone ${name} brings its own weights; leave \`pretrained\` out. Other weights, or random ones, are for the ` +
        `architectures: ${Object.keys(imageArchitectures).join(", ")}.`,
    );
  }
  if (isArchitecture && (pretrained === false || (pretrained === undefined && entry.source === undefined)))
    return createArchitecture(name);
  if (typeof pretrained === "string") return withOtherWeights(createArchitecture(name), pretrained, options);
  return fromFolder(findFolder(name, isArchitecture, options), entry === undefined ? undefined : name);
}

/** An architecture of the registry with random weights. @throws ConfigurationError `ERR_UNKNOWN_BACKBONE` */
export function createArchitecture(name: string): TrainableBackbone {
  const architecture = architectureOf(name);
  if (architecture === undefined) {
    throw new ConfigurationError(
      "ERR_UNKNOWN_BACKBONE",
      `There is no architecture ${JSON.stringify(name)}. ${describeChoices(name, Object.keys(imageArchitectures))}`,
    );
  }
  const module = architecture.create();
  return {
    kind: "module",
    name,
    module,
    numFeatures: module.numFeatures,
    input: findBackbone("image", name)!.input,
    pretrained: false,
  };
}

function architectureOf(name: string) {
  return Object.hasOwn(imageArchitectures, name) ? imageArchitectures[name as ImageBackboneName] : undefined;
}

/** Finds the files; for an architecture the error says what else there is. */
function findFolder(name: string, isArchitecture: boolean, options: BackboneSourceOptions): BackboneFolder {
  try {
    return findBackboneFolder("image", name, options);
  } catch (error) {
    if (!isArchitecture || !(error instanceof HubError)) throw error;
    throw new HubError(
      error.code,
      `${error.message} Or give \`pretrained: "weights.safetensors"\` (a file with its publisher's parameter names), or ` +
        "`pretrained: false` to start from random weights.",
      { cause: error },
    );
  }
}

/** A folder's ONNX file runs frozen; its safetensors are for an architecture that is known. */
function fromFolder(found: BackboneFolder, registered: string | undefined): ImageBackbone {
  if (found.files.weights === "onnx") return openOnnxFolder(found);
  const name = registered ?? architectureOfFolder(found.folder);
  if (name === undefined || architectureOf(name) === undefined) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `${found.name} has safetensors of an architecture that Kindling does not have, and no ONNX file. Take a repository with ` +
        `ONNX files (those of "onnx-community" and "Xenova" have them), or one of timm's of ${Object.keys(imageArchitectures).join(", ")}.`,
    );
  }
  const backbone = createArchitecture(name);
  loadWeights(backbone.module, join(found.folder, found.files.main));
  return { ...backbone, input: readImageInput(found.folder) ?? backbone.input, pretrained: true };
}

/** Weights from a file, or from a repository that brings its way of preparing pictures along. */
function withOtherWeights(
  backbone: TrainableBackbone,
  source: string,
  options: BackboneSourceOptions,
): TrainableBackbone {
  if (existsSync(source) || !looksLikeRepository(source)) {
    loadWeights(backbone.module, source);
    return { ...backbone, pretrained: true };
  }
  const { folder } = findBackboneFolder("image", source, options);
  const { files } = openFolder(folder, { weights: "safetensors" });
  loadWeights(backbone.module, join(folder, files.main));
  return { ...backbone, input: readImageInput(folder) ?? backbone.input, pretrained: true };
}
