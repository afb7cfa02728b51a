/** A local folder in the Hugging Face layout: `config.json`, `preprocessor_config.json`, `onnx/model.onnx`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../errors.js";
import { openFolder, type BackboneFolder } from "./backbone_folder.js";
import { readImageInput } from "./folder_config.js";
import type { ImageBackbone } from "./image_backbone.js";
import { onnxBackbone } from "./onnx_backbone.js";

/**
 * @param folder a folder with `preprocessor_config.json` and `onnx/model.onnx`, a model of pictures [N, 3, H, W]
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where a file is missing, and as `onnxBackbone` does
 */
export function loadOnnxFolder(folder: string): ImageBackbone {
  return openOnnxFolder(openFolder(folder, { weights: "onnx" }));
}

/** As `loadOnnxFolder`, for a folder whose files are known. */
export function openOnnxFolder({ name, folder, files }: BackboneFolder): ImageBackbone {
  const input = readImageInput(folder);
  if (input === undefined) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The backbone folder ${folder} cannot be used: it has no preprocessor_config.json, which says how pictures are prepared.`,
    );
  }
  return onnxBackbone(name, readFileSync(join(folder, files.main)), input);
}
