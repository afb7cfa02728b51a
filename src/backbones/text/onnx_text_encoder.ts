/**
 * Text encoders in the Hugging Face layout: `config.json`, `tokenizer.json` and `onnx/model.onnx`, which trains like any
 * module.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { Tokenizer } from "../../data/text/tokenizer.js";
import { ConfigurationError } from "../../errors.js";
import { Module } from "../../nn/index.js";
import { decodeModel } from "../../onnx/format/decode.js";
import type { ExternalArray } from "../../onnx/format/external_files.js";
import type { OnnxModel } from "../../onnx/format/model.js";
import { OnnxModule, readOnnx } from "../../onnx/index.js";
import { poolTokens, type TextPooling } from "./pooling.js";
import type { TextBackbone, TextInputs, TextModule } from "./text_backbone.js";
import { TokenPreprocessor } from "./token_preprocessor.js";

/** Options of an encoder from a folder. */
export interface TextEncoderOptions {
  /** Default: what `1_Pooling/config.json` says, as sentence-transformers write it; else the mean over the tokens. */
  pooling?: TextPooling;
  /** Tokens of a text at most. Default: what the model takes, but at most 512. */
  maxLength?: number;
}

/** What brings a saved encoder back, besides its files. */
export interface SavedTextEncoder {
  pooling: TextPooling;
  maxLength: number;
}

const MODEL_FILE = "encoder.onnx";
const LONGEST = 512;
/** RoBERTa's positions begin behind that of the padding token. */
const ROBERTA_OFFSET = 2;
const INPUTS: Readonly<Record<string, keyof TextInputs>> = {
  input_ids: "inputIds",
  attention_mask: "attentionMask",
  token_type_ids: "tokenTypeIds",
};
/** Outputs of which the first that there is has a vector for each token. */
const HIDDEN_STATES = ["last_hidden_state", "token_embeddings", "hidden_states"];

/** An encoder over an imported ONNX model. */
export class OnnxTextEncoder extends Module<TextInputs, tf.Tensor> implements TextModule {
  readonly model: OnnxModule;
  readonly pooling: TextPooling;
  readonly numFeatures: number;
  readonly #hidden: string;

  /** @throws ConfigurationError `ERR_BACKBONE_FOLDER` where the model has other inputs or outputs than text encoders have */
  constructor(name: string, model: OnnxModel, pooling: TextPooling) {
    super();
    this.model = new OnnxModule(model);
    this.pooling = pooling;
    const inputs = this.model.inputs.map((input) => input.name);
    const hidden = HIDDEN_STATES.find((output) => this.model.outputs.includes(output));
    if (hidden === undefined || !inputs.includes("input_ids") || inputs.some((input) => !(input in INPUTS))) {
      throw new ConfigurationError(
        "ERR_BACKBONE_FOLDER",
        `The model of ${name} takes ${inputs.join(", ")} and gives ${this.model.outputs.join(", ")}. A text encoder takes ` +
          `\`input_ids\`, and may take ${Object.keys(INPUTS).slice(1).join(" and ")}; it gives \`last_hidden_state\`.`,
      );
    }
    this.#hidden = hidden;
    this.numFeatures = tf.tidy(() => {
      const [ids, mask] = [tf.zeros([1, 8], "int32"), tf.ones([1, 8], "int32")];
      return this.forwardTokens({ inputIds: ids, attentionMask: mask, tokenTypeIds: ids }).shape[2]!;
    });
  }

  override forward(inputs: TextInputs): tf.Tensor {
    return poolTokens(this.forwardTokens(inputs), inputs.attentionMask!, this.pooling);
  }

  forwardTokens(inputs: TextInputs): tf.Tensor {
    const given = this.model.inputs.map(({ name }) => [name, inputs[INPUTS[name]!]!] as const);
    return this.model.forward(Object.fromEntries(given))[this.#hidden]!;
  }
}

/** Whether a folder holds a text encoder. */
export function isTextEncoderFolder(folder: string): boolean {
  return existsSync(join(folder, "tokenizer.json")) && modelPath(folder) !== undefined;
}

/**
 * An encoder for `TextClassifier`, `TextEmbedder` and the other text tasks, from a local folder.
 *
 * @param folder holds `tokenizer.json`, `config.json` and `onnx/model.onnx` or `model.onnx`, with its weights inside or in a
 *   file beside it
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER`, `ERR_TOKENIZER`, `ERR_MAX_LENGTH`
 * @throws OnnxError `ERR_ONNX_DAMAGED`, `ERR_ONNX_OPERATOR`, `ERR_ONNX_EXTERNAL_DATA`
 */
export async function loadTextEncoder(
  folder: string,
  options: TextEncoderOptions = {},
): Promise<TextBackbone> {
  return encoderOf(folder, await readOnnx(requireModel(folder)), options);
}

/** As `loadTextEncoder`, at once; weights in a file beside the model cannot be read so. */
export function loadTextEncoderSync(folder: string, options: TextEncoderOptions): TextBackbone {
  const path = requireModel(folder);
  const external: ExternalArray[] = [];
  const model = decodeModel(readFileSync(path), { source: path, ownsBytes: true, external });
  if (external.length > 0) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `${path} keeps its weights in another file. Give \`backbone: await loadTextEncoder(${JSON.stringify(folder)})\`.`,
    );
  }
  return encoderOf(folder, model, options);
}

/** An encoder that a task was saved with. */
export function restoreTextEncoder(
  name: string,
  saved: SavedTextEncoder,
  files: Record<string, Uint8Array>,
): TextBackbone {
  const bytes = new Uint8Array(files[MODEL_FILE]!);
  const model = decodeModel(bytes, { source: name, ownsBytes: true, external: [] });
  return textEncoder(name, model, TokenPreprocessor.fromFiles(files, saved.maxLength), saved, bytes);
}

function encoderOf(folder: string, model: OnnxModel, options: TextEncoderOptions): TextBackbone {
  const tokenizer = Tokenizer.fromFile(folder);
  const { pooling = poolingOf(folder), maxLength = maxLengthOf(folder, tokenizer) } = options;
  const preprocessor = new TokenPreprocessor(tokenizer, maxLength);
  const bytes = new Uint8Array(readFileSync(requireModel(folder)));
  return textEncoder(basename(resolve(folder)), model, preprocessor, { pooling, maxLength }, bytes);
}

function textEncoder(
  name: string,
  model: OnnxModel,
  preprocessor: TokenPreprocessor,
  options: SavedTextEncoder,
  bytes: Uint8Array,
): TextBackbone {
  return {
    name,
    module: new OnnxTextEncoder(name, model, options.pooling),
    preprocessor,
    recipe: { learningRate: 5e-4, weightDecay: 0.01 },
    pretrained: true,
    saved: { kind: "onnx-encoder", options, files: { [MODEL_FILE]: bytes } },
  };
}

function modelPath(folder: string): string | undefined {
  return [join(folder, "onnx", "model.onnx"), join(folder, "model.onnx")].find((path) => existsSync(path));
}

function requireModel(folder: string): string {
  const path = modelPath(folder);
  if (path !== undefined) return path;
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `The folder ${folder} holds no text encoder. Expected tokenizer.json, config.json and onnx/model.onnx, as Hugging ` +
      "Face's exporters write them.",
  );
}

function poolingOf(folder: string): TextPooling {
  const config = readConfig(join(folder, "1_Pooling", "config.json"));
  if (config.pooling_mode_cls_token === true) return "cls";
  return config.pooling_mode_max_tokens === true ? "max" : "mean";
}

function maxLengthOf(folder: string, tokenizer: Tokenizer): number {
  const config = readConfig(join(folder, "config.json"));
  const sentence = readConfig(join(folder, "sentence_bert_config.json"));
  const positions = Number(config.max_position_embeddings ?? Infinity);
  const offset = /roberta|camembert|mpnet/.test(String(config.model_type)) ? ROBERTA_OFFSET : 0;
  const limits = [sentence.max_seq_length, tokenizer.modelMaxLength, positions - offset];
  return Math.min(
    LONGEST,
    ...limits.flatMap((limit) => (typeof limit === "number" && limit > 2 ? [limit] : [])),
  );
}

function readConfig(path: string): Record<string, unknown> {
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigurationError("ERR_BACKBONE_FOLDER", `${path} is not valid JSON.`, { cause });
  }
}
