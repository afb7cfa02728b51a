/**
 * Text encoders with learned weights, in the Hugging Face layout (`config.json`, `tokenizer.json`, and `onnx/model.onnx` or
 * `model.safetensors`): from a folder of one's own or from the hub.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../../errors.js";
import { decodeOnnx, readOnnx } from "../../onnx/index.js";
import {
  downloadBackbone,
  findBackboneFolder,
  type BackboneFolder,
  type BackboneSourceOptions,
  type DownloadBackboneOptions,
} from "../backbone_folder.js";
import { keepsWeightsApart } from "../backbone_files.js";
import { readTextEncoderFolder, type TextEncoderSettings } from "./encoder_folder.js";
import { onnxTextEncoder } from "./onnx_text_encoder.js";
import { openSafetensorsEncoder } from "./safetensors_encoder.js";
import type { TextBackbone } from "./text_backbone.js";

/** Options of `loadTextEncoder`. */
export interface TextEncoderOptions extends TextEncoderSettings, DownloadBackboneOptions {}

/**
 * An encoder for `TextClassifier`, `TextEmbedder` and the other text tasks, whose files are downloaded if they are not on
 * this machine.
 *
 * @param name one of `availableBackbones("text")`, a local folder, or a repository on the hub as `organisation/name`, with or
 *   without `@revision`. Of ONNX and safetensors, ONNX is taken; safetensors have to be those of a BERT or a DistilBERT.
 * @throws HubError as `hubDownload` does
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_BACKBONE_FOLDER`, `ERR_BACKBONE_DTYPE`, `ERR_TOKENIZER`,
 *   `ERR_MAX_LENGTH`
 * @throws OnnxError `ERR_ONNX_DAMAGED`, `ERR_ONNX_OPERATOR`, `ERR_ONNX_EXTERNAL_DATA`
 * @throws CheckpointError as `loadWeights` does
 * @example
 * const backbone = await loadTextEncoder("all-MiniLM-L6-v2", { onProgress: downloadProgressBar() });
 */
export async function loadTextEncoder(
  name: string,
  { pooling, maxLength, onProgress, signal, ...options }: TextEncoderOptions = {},
): Promise<TextBackbone> {
  if (!existsSync(name)) {
    const transfer = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
    await downloadBackbone(name, { ...options, ...transfer });
  }
  const settings = { ...(pooling && { pooling }), ...(maxLength !== undefined && { maxLength }) };
  const found = findBackboneFolder("text", name, options);
  const folder = readTextEncoderFolder(found, settings);
  if (found.files.weights === "safetensors") return openSafetensorsEncoder(found, folder);
  return onnxTextEncoder(found.name, await readOnnx(join(found.folder, found.files.main)), folder);
}

/**
 * As `loadTextEncoder`, at once: from files that are on this machine.
 *
 * @throws HubError `ERR_BACKBONE_NOT_DOWNLOADED`
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` too for weights in a file beside the model, which cannot be read so
 */
export function openTextEncoder(
  name: string,
  settings: TextEncoderSettings,
  options: BackboneSourceOptions = {},
): TextBackbone {
  const found = findBackboneFolder("text", name, options);
  const folder = readTextEncoderFolder(found, settings);
  if (found.files.weights === "safetensors") return openSafetensorsEncoder(found, folder);
  return onnxTextEncoder(found.name, decodeOnnx(readModel(found)), folder);
}

function readModel({ name, folder, files }: BackboneFolder): Uint8Array {
  if (!keepsWeightsApart(files)) return readFileSync(join(folder, files.main));
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `The backbone ${name} keeps weights beside ${files.main}, which are not read at once. Open it with ` +
      `\`backbone: await loadTextEncoder(${JSON.stringify(name)})\`.`,
  );
}
