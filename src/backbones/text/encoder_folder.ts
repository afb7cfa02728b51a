/** What the files of a text encoder say besides its weights: how texts become tokens, and tokens' vectors one vector. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "../../data/text/tokenizer.js";
import { ConfigurationError } from "../../errors.js";
import type { BackboneFolder } from "../backbone_folder.js";
import { readConfig } from "../folder_config.js";
import { findBackbone } from "../registry/index.js";
import type { TextPooling } from "./pooling.js";
import { TokenPreprocessor } from "./token_preprocessor.js";

/** What of an encoder the user may choose. */
export interface TextEncoderSettings {
  /**
   * Default: what the registry knows of the name, or what `1_Pooling/config.json` says, as sentence-transformers write it;
   * else the mean over the tokens.
   */
  pooling?: TextPooling;
  /** Tokens of a text at most, special ones included. Default: what the model takes, but at most 512. */
  maxLength?: number;
}

/** An encoder's folder, read but for its weights. */
export interface TextEncoderFolder {
  preprocessor: TokenPreprocessor;
  pooling: TextPooling;
  /** The parsed `config.json`. */
  config: Readonly<Record<string, unknown>>;
}

const LONGEST = 512;
/** Two special tokens and one of the text. */
const SHORTEST = 3;
/** RoBERTa's positions begin behind that of the padding token. */
const ROBERTA_OFFSET = 2;
const TOKENIZER = "tokenizer.json";

/** @throws ConfigurationError `ERR_BACKBONE_FOLDER`, `ERR_TOKENIZER`, `ERR_MAX_LENGTH` */
export function readTextEncoderFolder(
  { name, folder }: BackboneFolder,
  settings: TextEncoderSettings,
): TextEncoderFolder {
  if (!existsSync(join(folder, TOKENIZER))) {
    throw new ConfigurationError(
      "ERR_BACKBONE_FOLDER",
      `${name} has no ${TOKENIZER}, which says how texts become tokens, so it is no text encoder. Hugging Face's exporters ` +
        "write it; in Python, `AutoTokenizer.from_pretrained(…).save_pretrained(folder)` does.",
    );
  }
  const tokenizer = Tokenizer.fromFile(folder);
  const config = read(folder, "config.json");
  const { pooling = poolingOf(name, folder), maxLength = defaultLength(folder, config, tokenizer) } =
    settings;
  const longest = positionsOf(config);
  if (!Number.isInteger(maxLength) || maxLength < SHORTEST || maxLength > longest) {
    const range = longest === Infinity ? `from ${SHORTEST} on` : `from ${SHORTEST} to ${longest}`;
    throw new ConfigurationError(
      "ERR_MAX_LENGTH",
      `\`maxLength\` of ${name} is a whole number of tokens ${range}, not ${maxLength}.`,
    );
  }
  return { preprocessor: new TokenPreprocessor(tokenizer, maxLength), pooling, config };
}

function poolingOf(name: string, folder: string): TextPooling {
  const entry = findBackbone("text", name);
  if (entry !== undefined) return entry.pooling === "first" ? "cls" : "mean";
  const config = read(join(folder, "1_Pooling"), "config.json");
  if (config.pooling_mode_cls_token === true) return "cls";
  return config.pooling_mode_max_tokens === true ? "max" : "mean";
}

function defaultLength(folder: string, config: Record<string, unknown>, tokenizer: Tokenizer): number {
  const { max_seq_length: sentence } = read(folder, "sentence_bert_config.json");
  const limits = [sentence, tokenizer.modelMaxLength, positionsOf(config)];
  const known = limits.filter((limit) => typeof limit === "number" && limit >= SHORTEST) as number[];
  return Math.min(LONGEST, ...known);
}

/** How many tokens have a position; Infinity where the file does not say. */
function positionsOf({ max_position_embeddings: positions, model_type }: Record<string, unknown>): number {
  if (typeof positions !== "number") return Infinity;
  return positions - (/roberta|camembert|mpnet/.test(String(model_type)) ? ROBERTA_OFFSET : 0);
}

function read(folder: string, file: string): Record<string, unknown> {
  return (readConfig(folder, file) ?? {}) as Record<string, unknown>;
}
