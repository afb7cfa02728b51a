/** A local folder in the Hugging Face layout: `config.json`, `preprocessor_config.json`, `onnx/model.onnx`. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "../errors.js";
import { encodeOnnx, readOnnx } from "../onnx/index.js";
import { keepsWeightsApart } from "./backbone_files.js";
import { openFolder, type BackboneFolder } from "./backbone_folder.js";
import { readImageInput } from "./folder_config.js";
import type { ImageBackbone, ImageInput } from "./image_backbone.js";
import { onnxBackbone } from "./onnx_backbone.js";

/**
 * @param folder a folder with `preprocessor_config.json` and `onnx/model.onnx`, a model of pictures [N, 3, H, W]
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where a file is missing, and as `onnxBackbone` does
 */
export function loadOnnxFolder(folder: string): ImageBackbone {
  const { name, model, input } = readOnnxFile(openFolder(folder, { weights: "onnx" }));
  return onnxBackbone(name, model, input);
}

/** An ONNX file that is to be a backbone. */
export interface OnnxBackboneFile {
  kind: "file";
  name: string;
  model: Uint8Array;
  input: ImageInput;
}

/** The file of a folder whose files are known. @throws ConfigurationError `ERR_BACKBONE_FOLDER` where a file is missing */
export function readOnnxFile(found: BackboneFolder): OnnxBackboneFile {
  const { name, folder, files } = found;
  const input = inputOf(found);
  if (keepsWeightsApart(files)) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The backbone ${name} keeps weights beside ${files.main}, which are not read at once. Open it with ` +
        `\`backbone: await loadImageBackbone(${JSON.stringify(name)})\`.`,
    );
  }
  return { kind: "file", name, model: readFileSync(join(folder, files.main)), input };
}

/**
 * A backbone of a folder whose files are known, without holding the program up while they are read, and with weights that
 * lie beside the ONNX file.
 *
 * @throws ConfigurationError as `loadOnnxFolder` does
 */
export async function readOnnxFolder(found: BackboneFolder): Promise<ImageBackbone> {
  const input = inputOf(found);
  const path = join(found.folder, found.files.main);
  const model = keepsWeightsApart(found.files) ? encodeOnnx(await readOnnx(path)) : await readFile(path);
  return onnxBackbone(found.name, model, input);
}

function inputOf({ folder }: BackboneFolder): ImageInput {
  const input = readImageInput(folder);
  if (input !== undefined) return input;
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `The backbone folder ${folder} cannot be used: it has no preprocessor_config.json, which says how pictures are prepared.`,
  );
}
