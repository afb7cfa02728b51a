/** A local folder in the Hugging Face layout: `config.json`, `preprocessor_config.json`, `onnx/model.onnx`. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "../errors.js";
import { encodeOnnx, readOnnx } from "../onnx/index.js";
import { keepsWeightsApart } from "./backbone_files.js";
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

/**
 * As `loadOnnxFolder`, for a folder whose files are known.
 *
 * @param bytes the ONNX file with all of its weights, where that is not the one in the folder
 */
export function openOnnxFolder({ name, folder, files }: BackboneFolder, bytes?: Uint8Array): ImageBackbone {
  const input = readImageInput(folder);
  if (input === undefined) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The backbone folder ${folder} cannot be used: it has no preprocessor_config.json, which says how pictures are prepared.`,
    );
  }
  if (bytes === undefined && keepsWeightsApart(files)) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The backbone ${name} keeps weights beside ${files.main}, which are not read at once. Open it with ` +
        `\`backbone: await loadImageBackbone(${JSON.stringify(name)})\`.`,
    );
  }
  return onnxBackbone(name, bytes ?? readFileSync(join(folder, files.main)), input);
}

/** As `openOnnxFolder`, without holding the program up while files are read, and with weights that lie beside the ONNX file. */
export async function readOnnxFolder(found: BackboneFolder): Promise<ImageBackbone> {
  const path = join(found.folder, found.files.main);
  return openOnnxFolder(
    found,
    keepsWeightsApart(found.files) ? encodeOnnx(await readOnnx(path)) : await readFile(path),
  );
}
