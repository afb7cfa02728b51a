/** Opens encoders of speech: local folders, names of the registry and repositories on the hub. */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BackboneDtype } from "../../../backbones/backbone_files.js";
import { findBackboneFolder, openFolder, type BackboneFolder } from "../../../backbones/backbone_folder.js";
import { ConfigurationError } from "../../../errors.js";
import { decodeModel } from "../../../onnx/format/decode.js";
import type { ExternalArray } from "../../../onnx/format/external_files.js";
import { encodeOnnx, readOnnx } from "../../../onnx/index.js";
import { ENCODER_FILES, OnnxSpeechEncoder } from "./onnx_speech_encoder.js";

/** Which of an encoder's files is wanted. */
export interface SpeechEncoderFileOptions {
  /** The type of the weights in the file, by transformers.js's names. Default: `fp32`. */
  dtype?: BackboneDtype | undefined;
}

/** Where encoders lie that have a decoder beside them, as Whisper's and Moonshine's. */
const ENCODER_WITH_DECODER = "onnx/encoder_model.onnx";

/**
 * An encoder for `SpeechRecognizer` to fine-tune: wav2vec 2.0, HuBERT, WavLM, or the encoder of Whisper or Moonshine, as
 * ONNX.
 *
 * @param encoder a name of `availableBackbones("audio")` or a repository on the hub, whose files were downloaded before with
 *   `downloadBackbone`, or a local folder with `preprocessor_config.json` and `onnx/model.onnx` or `onnx/encoder_model.onnx`
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_BACKBONE_FOLDER`
 * @throws HubError `ERR_BACKBONE_NOT_DOWNLOADED`
 * @throws OnnxError `ERR_ONNX_DAMAGED`, `ERR_ONNX_OPERATOR`, `ERR_ONNX_EXTERNAL_DATA`
 */
export async function loadSpeechEncoder(
  encoder: string,
  options: SpeechEncoderFileOptions = {},
): Promise<OnnxSpeechEncoder> {
  const found = speechEncoderFolder(encoder, options);
  const path = join(found.folder, found.files.main);
  const model = await readOnnx(path);
  // A task keeps one file, so weights that lie beside it go inside.
  const bytes = found.files.all.some((file) => file !== found.files.main && file.startsWith(found.files.main))
    ? encodeOnnx(model)
    : await readFile(path);
  return new OnnxSpeechEncoder({ name: found.name, model, bytes, preprocessor: readPreprocessor(found) });
}

/** As `loadSpeechEncoder`, at once; weights in a file beside the model cannot be read so. */
export function openSpeechEncoder(encoder: string): OnnxSpeechEncoder {
  const found = speechEncoderFolder(encoder);
  const path = join(found.folder, found.files.main);
  const bytes = readFileSync(path);
  const external: ExternalArray[] = [];
  const model = decodeModel(bytes, { source: path, ownsBytes: true, external });
  if (external.length > 0) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `${path} keeps its weights in another file. Give \`encoder: await loadSpeechEncoder(${JSON.stringify(encoder)})\`.`,
    );
  }
  return new OnnxSpeechEncoder({ name: found.name, model, bytes, preprocessor: readPreprocessor(found) });
}

/** An encoder that a task was saved with. */
export function restoreSpeechEncoder(
  name: string,
  files: Readonly<Record<string, Uint8Array>>,
): OnnxSpeechEncoder {
  const bytes = new Uint8Array(files[ENCODER_FILES.model]!);
  const model = decodeModel(bytes, { source: name, ownsBytes: true, external: [] });
  const preprocessor = new TextDecoder().decode(files[ENCODER_FILES.preprocessor]);
  return new OnnxSpeechEncoder({ name, model, bytes, preprocessor });
}

/** Where the files of an encoder lie. @throws as `loadSpeechEncoder` */
export function speechEncoderFolder(
  encoder: string,
  { dtype }: SpeechEncoderFileOptions = {},
): BackboneFolder {
  const found = existsSync(join(encoder, ENCODER_WITH_DECODER))
    ? openFolder(encoder, { weights: "onnx", file: ENCODER_WITH_DECODER, dtype })
    : findBackboneFolder("audio", encoder, dtype === undefined ? {} : { dtype });
  if (found.files.weights === "onnx") return found;
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `${found.name} holds ${found.files.main}, and encoders of speech are read from ONNX files. Choose a repository with ` +
      'onnx/model.onnx (those of "onnx-community" and "Xenova" have them), or export the model with Hugging Face Optimum.',
  );
}

function readPreprocessor({ folder, name }: BackboneFolder): string {
  const path = join(folder, ENCODER_FILES.preprocessor);
  if (existsSync(path)) return readFileSync(path, "utf8");
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `The folder of ${name} cannot be used: ${path} is not there, which says how sound is prepared.`,
  );
}
