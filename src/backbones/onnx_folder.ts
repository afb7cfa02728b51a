/** A local folder in the Hugging Face layout: `config.json`, `preprocessor_config.json`, `onnx/model.onnx`. */
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { ConfigurationError } from "../errors.js";
import { parseImageInput } from "./huggingface_image_input.js";
import type { ImageBackbone } from "./image_backbone.js";
import { onnxBackbone } from "./onnx_backbone.js";

/**
 * @param folder a folder with `preprocessor_config.json` and `onnx/model.onnx`, a model of pictures [N, 3, H, W]
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where a file is missing, and as `onnxBackbone` does
 */
export function loadOnnxFolder(folder: string): ImageBackbone {
  const preprocessorPath = join(folder, "preprocessor_config.json");
  const input = parseImageInput(
    parseJson(read(preprocessorPath, folder), preprocessorPath),
    preprocessorPath,
  );
  const model = read(join(folder, "onnx", "model.onnx"), folder);
  return onnxBackbone(basename(resolve(folder)), model, input);
}

function read(path: string, folder: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `The backbone folder ${folder} cannot be used: ${path} cannot be read. ` +
        "Expected preprocessor_config.json and onnx/model.onnx, as Hugging Face's exporters write them.",
      { cause: error },
    );
  }
}

function parseJson(bytes: Buffer, path: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new ConfigurationError("ERR_BACKBONE_FOLDER", `${path} is not valid JSON.`, { cause: error });
  }
}
