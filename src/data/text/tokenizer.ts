/** Tokenizers in the `tokenizer.json` format of Hugging Face: read, used, trained, written. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../../errors.js";
import { ExactBertNormalizer, type BertNormalizerConfig } from "./bert_normalizer.js";
import { ExactByteLevelPreTokenizer } from "./byte_level_pre_tokenizer.js";
import { Tokenizer as HuggingFaceTokenizer, type TokenizerLibrary } from "./huggingface_tokenizers.js";
import { trainTokenizer, type TrainTokenizerOptions } from "./train_tokenizer.js";

export type { TrainTokenizerOptions };

/** Options of `Tokenizer.encode`. */
export interface EncodeOptions {
  /** A second text, for models that judge pairs. */
  pair?: string;
  /** Tokens at most, special ones included. Default: no limit. */
  maxLength?: number;
}

/** A text as tokens. */
export interface TokenizedText {
  /** Numbers of the tokens, special ones included. */
  ids: Int32Array;
  /** 0 for the first text and 1 for the second. */
  typeIds: Int32Array;
  /** How many tokens were left out at the end, because of `maxLength`. */
  truncated: number;
}

/** Words as tokens. */
export interface TokenizedWords {
  ids: Int32Array;
  /** For each token the number of its word; -1 for special ones. */
  wordIds: Int32Array;
  /** How many tokens were left out at the end. */
  truncated: number;
}

/** What stands around and between the texts. */
interface Template {
  prefix: number[];
  middle: number[];
  suffix: number[];
}

interface TokenizerJson {
  normalizer?: ({ type?: string } & BertNormalizerConfig) | null;
  pre_tokenizer?: { type?: string } | null;
}

interface TokenizerConfig {
  pad_token?: unknown;
  model_max_length?: unknown;
}

const TOKENIZER_FILE = "tokenizer.json";
const CONFIG_FILE = "tokenizer_config.json";
/** Larger ones in `tokenizer_config.json` mean that there is no limit. */
const LARGEST_MODEL_LENGTH = 1e6;

/** Truncation and padding that a file asks for are not applied: `maxLength` and the batch decide. */
export class Tokenizer {
  readonly #json: TokenizerJson;
  readonly #config: TokenizerConfig;
  readonly #tokenizer: TokenizerLibrary;
  readonly #single: Template;
  #double: (Template & { typeIds: readonly number[] }) | undefined;
  /** Tokens in the vocabulary, added ones included; numbers run up to here. */
  readonly vocabSize: number;
  /** The token that fills up batches; 0 where the files name none. */
  readonly padId: number;
  /** The longest input of the model that the tokenizer belongs to, in tokens; undefined where the files do not say. */
  readonly modelMaxLength: number | undefined;

  /**
   * @param json the parsed `tokenizer.json`
   * @param config the parsed `tokenizer_config.json`; default `{}`
   * @throws ConfigurationError `ERR_TOKENIZER` where it is none, or of a kind that cannot be used
   */
  constructor(json: object, config: object = {}) {
    this.#json = json;
    this.#config = config;
    try {
      this.#tokenizer = new HuggingFaceTokenizer(json, config);
    } catch (cause) {
      throw tokenizerError(`It cannot be used: ${(cause as Error).message}`, cause);
    }
    if (this.#json.normalizer?.type === "BertNormalizer") {
      this.#tokenizer.normalizer = new ExactBertNormalizer(this.#json.normalizer);
    }
    if (this.#json.pre_tokenizer?.type === "ByteLevel") {
      this.#tokenizer.pre_tokenizer = new ExactByteLevelPreTokenizer(this.#json.pre_tokenizer);
    }
    this.vocabSize = 1 + largestOf(this.#tokenizer.get_vocab(true).values());
    if (this.vocabSize === 0) throw tokenizerError("Its vocabulary is empty.");
    this.padId = this.#idOfPadding();
    const { model_max_length: longest } = this.#config;
    this.modelMaxLength =
      typeof longest === "number" && longest <= LARGEST_MODEL_LENGTH ? longest : undefined;
    this.#single = this.#probe();
  }

  /**
   * @param path a folder with `tokenizer.json` and, if there is one, `tokenizer_config.json`; or the first of these itself
   * @throws ConfigurationError `ERR_TOKENIZER` where it cannot be read
   */
  static fromFile(path: string): Tokenizer {
    const isFile = path.endsWith(".json");
    const json = readJson(isFile ? path : join(path, TOKENIZER_FILE));
    const config = readJson(join(isFile ? join(path, "..") : path, CONFIG_FILE), {});
    return new Tokenizer(json, config);
  }

  /** From the contents of the files that `files` gives. @throws ConfigurationError `ERR_TOKENIZER` */
  static fromFiles(files: Readonly<Record<string, Uint8Array>>): Tokenizer {
    const parse = (name: string): object | undefined => {
      const bytes = files[name];
      return bytes && (JSON.parse(Buffer.from(bytes).toString("utf8")) as object);
    };
    const json = parse(TOKENIZER_FILE);
    if (json === undefined) throw tokenizerError(`${TOKENIZER_FILE} is missing.`);
    return new Tokenizer(json, parse(CONFIG_FILE));
  }

  /**
   * Learns a tokenizer from texts.
   *
   * @throws ConfigurationError `ERR_TOKENIZER` for options that cannot be used, or texts without a word
   */
  static train(texts: Iterable<string>, options: TrainTokenizerOptions = {}): Tokenizer {
    const { json, config } = trainTokenizer(texts, options);
    return new Tokenizer(json, config);
  }

  /** `tokenizer.json` and `tokenizer_config.json` by name, as other tools read them. */
  files(): Record<string, Uint8Array> {
    return { [TOKENIZER_FILE]: encodeJson(this.#json), [CONFIG_FILE]: encodeJson(this.#config) };
  }

  encode(text: string, { pair, maxLength = Infinity }: EncodeOptions = {}): TokenizedText {
    const first = this.#idsOf(text);
    if (pair === undefined) {
      const { prefix, suffix } = this.#single;
      const room = Math.max(0, maxLength - prefix.length - suffix.length);
      const kept = first.slice(0, room);
      const ids = Int32Array.from([...prefix, ...kept, ...suffix]);
      return { ids, typeIds: new Int32Array(ids.length), truncated: first.length - kept.length };
    }
    this.#double ??= this.#probePair();
    const { prefix, middle, suffix, typeIds } = this.#double;
    const second = this.#idsOf(pair);
    let room = Math.max(0, maxLength - prefix.length - middle.length - suffix.length);
    // The second text stays whole where it can, as with truncation "only_first": it is the question or hypothesis.
    const keptSecond = second.slice(0, room);
    room -= keptSecond.length;
    const keptFirst = first.slice(0, room);
    const segments = [prefix, keptFirst, middle, keptSecond, suffix];
    return {
      ids: Int32Array.from(segments.flat()),
      typeIds: Int32Array.from(segments.flatMap((segment, i) => segment.map(() => typeIds[i]!))),
      truncated: first.length + second.length - keptFirst.length - keptSecond.length,
    };
  }

  /** Words that were told apart before, so that each token belongs to one. */
  encodeWords(
    words: readonly string[],
    { maxLength = Infinity }: { maxLength?: number } = {},
  ): TokenizedWords {
    const { prefix, suffix } = this.#single;
    const tokens = words.flatMap((word, index) => this.#idsOf(word).map((id) => [id, index] as const));
    const kept = tokens.slice(0, Math.max(0, maxLength - prefix.length - suffix.length));
    return {
      ids: Int32Array.from([...prefix, ...kept.map(([id]) => id), ...suffix]),
      wordIds: Int32Array.from([
        ...prefix.map(() => -1),
        ...kept.map(([, word]) => word),
        ...suffix.map(() => -1),
      ]),
      truncated: tokens.length - kept.length,
    };
  }

  /** @param options.skipSpecialTokens leaves out tokens such as `[CLS]`; default true */
  decode(ids: ArrayLike<number>, { skipSpecialTokens = true }: { skipSpecialTokens?: boolean } = {}): string {
    const numbers = Array.from(ids);
    if (numbers.length === 0) return "";
    return this.#tokenizer.decode(numbers, { skip_special_tokens: skipSpecialTokens });
  }

  /** The token of a number; undefined for one that there is not. */
  token(id: number): string | undefined {
    return this.#tokenizer.id_to_token(id);
  }

  /** The number of a token; undefined for one that there is not. */
  id(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }

  /** Of the text alone. */
  #idsOf(text: string): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  #idOfPadding(): number {
    const { pad_token: pad } = this.#config;
    const name = typeof pad === "string" ? pad : (pad as { content?: string } | undefined)?.content;
    for (const token of [name, "[PAD]", "<pad>"]) {
      const id = token === undefined ? undefined : this.id(token);
      if (id !== undefined) return id;
    }
    return 0;
  }

  /** Finds the special tokens by looking at what surrounds a word. */
  #probe(): Template {
    const alone = this.#idsOf(PROBE);
    const whole = this.#tokenizer.encode(PROBE).ids;
    const at = findList(whole, alone, 0);
    return { prefix: whole.slice(0, at), middle: [], suffix: whole.slice(at + alone.length) };
  }

  #probePair(): Template & { typeIds: readonly number[] } {
    const alone = this.#idsOf(PROBE);
    const { ids, token_type_ids } = this.#tokenizer.encode(PROBE, {
      text_pair: PROBE,
      return_token_type_ids: true,
    });
    const first = findList(ids, alone, 0);
    const second = findList(ids, alone, first + alone.length);
    const end = second + alone.length;
    const starts = [0, first, first + alone.length, second, end];
    return {
      prefix: ids.slice(0, first),
      middle: ids.slice(first + alone.length, second),
      suffix: ids.slice(end),
      typeIds: starts.map((start) => token_type_ids?.[start] ?? 0),
    };
  }
}

const PROBE = "a";

function findList(list: readonly number[], part: readonly number[], from: number): number {
  for (let start = from; start + part.length <= list.length; start++) {
    if (part.every((id, i) => list[start + i] === id)) return start;
  }
  throw tokenizerError("Its special tokens cannot be told from those of the text.");
}

/** -1 for none. */
function largestOf(ids: Iterable<number>): number {
  let largest = -1;
  for (const id of ids) largest = Math.max(largest, id);
  return largest;
}

function readJson(path: string, fallback?: object): object {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as object;
  } catch (cause) {
    if (fallback !== undefined && (cause as NodeJS.ErrnoException).code === "ENOENT") return fallback;
    throw tokenizerError(`${path} cannot be read: ${(cause as Error).message}`, cause);
  }
}

function encodeJson(value: object): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(value, null, 2)));
}

function tokenizerError(problem: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    "ERR_TOKENIZER",
    `The tokenizer cannot be used. ${problem} Expected a folder with tokenizer.json, as Hugging Face's tokenizers write it.`,
    { cause },
  );
}
