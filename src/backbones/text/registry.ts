/** The text backbones that have a name, and how one is made. */
import { existsSync } from "node:fs";
import { ConfigurationError, describeChoices } from "../../errors.js";
import { Tokenizer } from "../../data/text/tokenizer.js";
import type { BertOptions } from "../bert.js";
import { looksLikeRepository } from "../hub/index.js";
import { availableBackbones, findBackbone } from "../registry/index.js";
import { loadWeights } from "../weights.js";
import { BagOfNgrams, type BagOfNgramsOptions } from "./bag_of_ngrams.js";
import { BertEncoder, bertSizes } from "./bert_encoder.js";
import { NgramPreprocessor } from "./ngram_preprocessor.js";
import { openTextEncoder } from "./load_text_encoder.js";
import { restoreTextEncoder, type SavedTextEncoder } from "./onnx_text_encoder.js";
import type { TextPooling } from "./pooling.js";
import { restoreSafetensorsEncoder, type SavedSafetensorsEncoder } from "./safetensors_encoder.js";
import { TextCnn, type TextCnnOptions } from "./text_cnn.js";
import { TokenPreprocessor } from "./token_preprocessor.js";
import { restoreWordVectors } from "./word_vectors_backbone.js";
import type { SavedTextBackbone, TextBackbone } from "./text_backbone.js";

/** Options of backbones that read tokens. */
export interface TokenOptions {
  /**
   * A tokenizer, or the path of a `tokenizer.json` or of a folder that holds one. Default: a WordPiece tokenizer of 8,000
   * tokens that is learned from the training texts.
   */
  tokenizer?: Tokenizer | string;
  /**
   * Tokens of a text at most, special ones included; what is left out is counted in the data's `truncated`. Default: 128; of
   * an encoder with learned weights what it takes, but at most 512.
   */
  maxLength?: number;
}

/** What a backbone may be made from. */
export interface TextBackboneContext extends TokenOptions {
  /** Training texts, from which n-grams or tokens are learned; undefined where there are none. */
  texts: (() => Iterable<string>) | undefined;
  /** The path of a safetensors file with Hugging Face's parameter names, for the `bert-…` backbones. Default: random weights. */
  pretrained?: string;
}

interface SavedTokens<Options> {
  maxLength: number;
  module: Options;
}

const DEFAULT_MAX_LENGTH = 128;
const POSITIONS = 512;
/** Up to this width a BERT learns from nothing at twice the rate. */
const SMALL_BERT = 128;

interface TextArchitecture {
  create: (name: string, context: TextBackboneContext) => TextBackbone;
  restore: (name: string, saved: SavedTextBackbone, files: Record<string, Uint8Array>) => TextBackbone;
}

const architectures: Record<string, TextArchitecture> = {
  "bag-of-ngrams": {
    create: (name, { texts }) => bagOfNgrams(name, NgramPreprocessor.fit(requireTexts(name, texts)())),
    restore: (name, { options }, files) =>
      bagOfNgrams(name, NgramPreprocessor.fromFiles(files), options as BagOfNgramsOptions),
  },
  "text-cnn": {
    create: (name, context) => {
      const preprocessor = tokenPreprocessor(name, context);
      const { vocabSize, padId: padTokenId } = preprocessor.tokenizer;
      return textCnn(name, preprocessor, { vocabSize, padTokenId });
    },
    restore: (name, { options }, files) => {
      const { maxLength, module } = options as SavedTokens<TextCnnOptions>;
      return textCnn(name, TokenPreprocessor.fromFiles(files, maxLength), module);
    },
  },
  ...Object.fromEntries(Object.entries(bertSizes).map(([name, size]) => [name, bertArchitecture(size)])),
};

/** The names of backbones that come without weights, which a text task's `backbone` takes beside `availableBackbones("text")`. */
export function availableTextBackbones(): string[] {
  return Object.keys(architectures);
}

/**
 * A backbone of its name, or from files that are on this machine: `loadTextEncoder` and `downloadBackbone` bring them there.
 *
 * @param name one of `availableTextBackbones()`; or a text encoder with learned weights: one of `availableBackbones("text")`, a
 *   local folder in the Hugging Face layout, or a repository on the hub as `organisation/name`, with or without `@revision`
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_NO_TRAINING_TEXTS`, `ERR_BACKBONE_FOLDER`, `ERR_TOKENIZER`,
 *   `ERR_MAX_LENGTH`, `ERR_PRETRAINED_OPTION`
 * @throws HubError `ERR_BACKBONE_NOT_DOWNLOADED`
 */
export function createTextBackbone(name: string, context: TextBackboneContext): TextBackbone {
  if (Object.hasOwn(architectures, name)) return architectureOf(name).create(name, context);
  const { pretrained, tokenizer, maxLength } = context;
  const isEncoder = findBackbone("text", name) !== undefined || existsSync(name) || looksLikeRepository(name);
  if (!isEncoder) return architectureOf(name).create(name, context);
  const unused = Object.entries({ pretrained, tokenizer }).find(([, value]) => value !== undefined);
  if (unused !== undefined) {
    throw new ConfigurationError(
      "ERR_PRETRAINED_OPTION",
      `The backbone ${name} brings its own weights and tokenizer; leave \`${unused[0]}\` out.`,
    );
  }
  return openTextEncoder(name, maxLength === undefined ? {} : { maxLength });
}

/** A backbone as it was saved; its weights are yet to be restored. */
export function restoreTextBackbone(
  name: string,
  saved: SavedTextBackbone,
  files: Record<string, Uint8Array>,
): TextBackbone {
  if (saved.kind === "onnx-encoder")
    return restoreTextEncoder(name, saved.options as SavedTextEncoder, files);
  if (saved.kind === "safetensors-encoder")
    return restoreSafetensorsEncoder(name, saved.options as SavedSafetensorsEncoder, files);
  if (saved.kind === "word-vectors")
    return restoreWordVectors((saved.options as { width: number }).width, files);
  return architectureOf(saved.kind).restore(name, saved, files);
}

function architectureOf(name: string): TextArchitecture {
  const architecture = Object.hasOwn(architectures, name) ? architectures[name] : undefined;
  if (architecture !== undefined) return architecture;
  throw new ConfigurationError(
    "ERR_UNKNOWN_BACKBONE",
    `There is no text backbone ${JSON.stringify(name)}, no folder of that name, and a repository on the hub is called ` +
      `"organisation/name". ${describeChoices(name, [...availableTextBackbones(), ...availableBackbones("text")])}`,
  );
}

function bagOfNgrams(
  name: string,
  preprocessor: NgramPreprocessor,
  options: BagOfNgramsOptions = { numNgrams: preprocessor.numRows },
): TextBackbone {
  return {
    name,
    module: new BagOfNgrams(options),
    preprocessor,
    recipe: { learningRate: 1e-2, weightDecay: 0 },
    pretrained: false,
    saved: { kind: "bag-of-ngrams", options },
  };
}

function textCnn(name: string, preprocessor: TokenPreprocessor, module: TextCnnOptions): TextBackbone {
  const options: SavedTokens<TextCnnOptions> = { maxLength: preprocessor.maxLength, module };
  return {
    name,
    module: new TextCnn(module),
    preprocessor,
    recipe: { learningRate: 2e-3, weightDecay: 0.01 },
    pretrained: false,
    saved: { kind: "text-cnn", options },
  };
}

function bertArchitecture(size: BertOptions): TextArchitecture {
  return {
    create: (name, context) => {
      const preprocessor = tokenPreprocessor(name, context);
      const { vocabSize, padId: padTokenId } = preprocessor.tokenizer;
      const options = { ...size, vocabSize, padTokenId, maxPositionEmbeddings: POSITIONS };
      return bert(name, preprocessor, { ...options, pooling: "mean" }, context.pretrained);
    },
    restore: (name, { options }, files) => {
      const { maxLength, module } = options as SavedTokens<BertOptions & { pooling: TextPooling }>;
      return bert(name, TokenPreprocessor.fromFiles(files, maxLength), module);
    },
  };
}

function bert(
  name: string,
  preprocessor: TokenPreprocessor,
  module: BertOptions & { pooling: TextPooling },
  weights?: string,
): TextBackbone {
  const options = { maxLength: preprocessor.maxLength, module };
  const { pooling, ...architecture } = module;
  const encoder = new BertEncoder(architecture, pooling);
  if (weights !== undefined) loadWeights(encoder.bert, weights);
  return {
    name,
    module: encoder,
    preprocessor,
    recipe: { learningRate: encoder.numFeatures <= SMALL_BERT ? 1e-3 : 5e-4, weightDecay: 0.01 },
    pretrained: weights !== undefined,
    saved: { kind: name, options },
  };
}

function tokenPreprocessor(
  name: string,
  { tokenizer, texts, maxLength = DEFAULT_MAX_LENGTH }: TextBackboneContext,
): TokenPreprocessor {
  if (!Number.isInteger(maxLength) || maxLength < 3 || maxLength > POSITIONS) {
    throw new ConfigurationError(
      "ERR_MAX_LENGTH",
      `\`maxLength\` of ${name} is a whole number of tokens from 3 to ${POSITIONS}, not ${maxLength}.`,
    );
  }
  return new TokenPreprocessor(tokenizerOf(name, tokenizer, texts), maxLength);
}

function tokenizerOf(
  name: string,
  tokenizer: Tokenizer | string | undefined,
  texts: TextBackboneContext["texts"],
): Tokenizer {
  if (tokenizer instanceof Tokenizer) return tokenizer;
  if (tokenizer !== undefined) return Tokenizer.fromFile(tokenizer);
  return Tokenizer.train(requireTexts(name, texts)());
}

function requireTexts(name: string, texts: TextBackboneContext["texts"]): () => Iterable<string> {
  if (texts !== undefined) return texts;
  throw new ConfigurationError(
    "ERR_NO_TRAINING_TEXTS",
    `The backbone ${name} learns from training texts which words there are: make the task with \`data\` that have a \`train\` part.`,
  );
}
