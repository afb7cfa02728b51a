/** Makes image backbones: architectures of the registry, folders, and repositories on the hub. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError, describeChoices, HubError } from "../errors.js";
import {
  downloadBackbone,
  findBackboneFolder,
  openFolder,
  type BackboneFolder,
  type BackboneSourceOptions,
  type DownloadBackboneOptions,
} from "./backbone_folder.js";
import { architectureOfFolder, readImageInput } from "./folder_config.js";
import { looksLikeRepository } from "./hub/index.js";
import type { ImageBackbone, TrainableBackbone } from "./image_backbone.js";
import { onnxBackbone } from "./onnx_backbone.js";
import { readOnnxFile, readOnnxFolder, type OnnxBackboneFile } from "./onnx_folder.js";
import { imageArchitectures } from "./registry/image_architectures.js";
import { findBackbone, type ImageBackboneName } from "./registry/index.js";
import { loadWeights } from "./weights.js";

/**
 * A backbone with its weights, which must be on this machine: `loadImageBackbone` and `downloadBackbone` bring them there.
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
  const found = findImageBackbone(name, pretrained, options);
  return found.kind === "file" ? onnxBackbone(found.name, found.model, found.input) : found;
}

/** As `createImageBackbone`, where an ONNX file is not opened yet. @throws as `createImageBackbone` does */
export function findImageBackbone(
  name: string,
  pretrained?: boolean | string,
  options: BackboneSourceOptions = {},
): TrainableBackbone | OnnxBackboneFile {
  const entry = findBackbone("image", name);
  const isArchitecture = entry !== undefined && hasArchitecture(name);
  if (!isArchitecture && (pretrained === false || typeof pretrained === "string")) {
    throw new ConfigurationError(
      "ERR_PRETRAINED_OPTION",
      `The backbone ${name} brings its own weights; leave \`pretrained\` out. Other weights, or random ones, are for the ` +
        `architectures: ${Object.keys(imageArchitectures).join(", ")}.`,
    );
  }
  if (isArchitecture && (pretrained === false || (pretrained === undefined && describesRandom(name))))
    return createArchitecture(name);
  if (typeof pretrained === "string") return withOtherWeights(createArchitecture(name), pretrained, options);
  return fromFolder(findFolder(name, isArchitecture, options), entry === undefined ? undefined : name);
}

/** Options of `loadImageBackbone`. */
export interface LoadImageBackboneOptions extends DownloadBackboneOptions {
  /** As for `createImageBackbone`. */
  pretrained?: boolean | string;
}

/**
 * A backbone with its weights, which are downloaded if they are not on this machine.
 *
 * @param name as for `createImageBackbone`
 * @throws HubError as `hubDownload` does; ConfigurationError and CheckpointError as `createImageBackbone` does
 * @throws OnnxError `ERR_ONNX_EXTERNAL_DATA` for weights beside an ONNX file that cannot be used
 * @example
 * const backbone = await loadImageBackbone("dinov3_small", { onProgress: downloadProgressBar() });
 */
export async function loadImageBackbone(
  name: ImageBackboneName | (string & {}),
  { pretrained, onProgress, signal, ...options }: LoadImageBackboneOptions = {},
): Promise<ImageBackbone> {
  const isRandom = pretrained === false || (pretrained !== true && describesRandom(name));
  const source = typeof pretrained === "string" ? pretrained : name;
  if (!isRandom && !existsSync(source)) {
    const transfer = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
    await downloadBackbone(source, { ...options, ...transfer });
  }
  if (isRandom || typeof pretrained === "string" || hasArchitecture(name))
    return createImageBackbone(name, pretrained, options);
  const found = findBackboneFolder("image", name, options);
  return found.files.weights === "onnx"
    ? readOnnxFolder(found)
    : createImageBackbone(name, pretrained, options);
}

/** Whether a name is that of an architecture that has no weights. */
function describesRandom(name: string): boolean {
  return hasArchitecture(name) && findBackbone("image", name)?.source === undefined;
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

/** Whether a name is that of an architecture written with `nn`. */
export function hasArchitecture(name: string): boolean {
  return architectureOf(name) !== undefined;
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

/** A folder's ONNX file; its safetensors are for an architecture that is known. */
function fromFolder(
  found: BackboneFolder,
  registered: string | undefined,
): TrainableBackbone | OnnxBackboneFile {
  if (found.files.weights === "onnx") return readOnnxFile(found);
  const name = registered ?? architectureOfFolder(found.folder);
  if (name === undefined || !hasArchitecture(name)) {
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
