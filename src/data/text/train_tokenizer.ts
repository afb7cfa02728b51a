/** Learns a vocabulary from texts and writes it as a `tokenizer.json`. */
import { ConfigurationError } from "../../errors.js";
import { ExactBertNormalizer } from "./bert_normalizer.js";
import { ExactByteLevelPreTokenizer } from "./byte_level_pre_tokenizer.js";
import { BertPreTokenizer } from "./huggingface_tokenizers.js";
import { learnMerges } from "./learn_merges.js";

/** Options of `Tokenizer.train`. */
export interface TrainTokenizerOptions {
  /**
   * `word-piece`: pieces of words, as BERT has them. `byte-level-bpe`: pairs of bytes, as GPT-2 and RoBERTa have them; no
   * text is unknown to it, and decoding gives every text back exactly. Default: `word-piece`.
   */
  model?: "word-piece" | "byte-level-bpe";
  /** Tokens at most, special ones included. Default: 8,000. */
  vocabSize?: number;
  /** `word-piece`: whether letters lose their case and accents. Default: true. */
  lowercase?: boolean;
  /** How often two pieces must stand together to become one. Default: 2. */
  minFrequency?: number;
}

const CONTINUING = "##";
/** Longer words are unknown, as in BERT. */
const LONGEST_WORD = 100;
const BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] as const;
const ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] as const;

/** @throws ConfigurationError `ERR_TOKENIZER` */
export function trainTokenizer(
  texts: Iterable<string>,
  { model = "word-piece", vocabSize = 8000, lowercase = true, minFrequency = 2 }: TrainTokenizerOptions,
): { json: object; config: object } {
  if (!Number.isInteger(vocabSize) || vocabSize < 300) {
    throw new ConfigurationError(
      "ERR_TOKENIZER",
      `\`vocabSize\` is a whole number from 300 on (a byte-level vocabulary begins with 256 bytes), not ${vocabSize}.`,
    );
  }
  const train = model === "word-piece" ? trainWordPiece : trainByteLevel;
  return train(texts, { vocabSize, lowercase, minFrequency });
}

type Settings = Required<Omit<TrainTokenizerOptions, "model">>;

function trainWordPiece(texts: Iterable<string>, { vocabSize, lowercase, minFrequency }: Settings) {
  const normalizer = { clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase };
  const normalize = new ExactBertNormalizer(normalizer);
  const split = new BertPreTokenizer();
  const words = countWords(texts, (text) => split.pre_tokenize_text(normalize.normalize(text)));
  const symbols = (word: string) =>
    Array.from(word, (character, i) => (i === 0 ? character : CONTINUING + character));
  const { tokens } = learnMerges(words, symbols, {
    first: [...BERT_TOKENS],
    vocabSize,
    minFrequency,
    join: (left, right) => left + right.slice(CONTINUING.length),
  });
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: BERT_TOKENS.map(addedToken),
    normalizer: { type: "BertNormalizer", ...normalizer },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: template("[CLS]", 2, "[SEP]", 3),
    decoder: { type: "WordPiece", prefix: CONTINUING, cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: CONTINUING,
      max_input_chars_per_word: LONGEST_WORD,
      vocab: numbered(tokens),
    },
  };
  const [pad_token, unk_token, cls_token, sep_token, mask_token] = BERT_TOKENS;
  const names = { pad_token, unk_token, cls_token, sep_token, mask_token };
  return { json, config: { tokenizer_class: "BertTokenizer", do_lower_case: lowercase, ...names } };
}

function trainByteLevel(texts: Iterable<string>, { vocabSize, minFrequency }: Settings) {
  const options = { add_prefix_space: false, trim_offsets: true, use_regex: true };
  const split = new ExactByteLevelPreTokenizer({ type: "ByteLevel", ...options });
  const words = countWords(texts, (text) => split.pre_tokenize_text(text));
  const { tokens, merges } = learnMerges(words, (word) => Array.from(word), {
    first: [...ROBERTA_TOKENS, ...byteAlphabet()],
    vocabSize,
    minFrequency,
    join: (left, right) => left + right,
  });
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: ROBERTA_TOKENS.map(addedToken),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", ...options },
    post_processor: template("<s>", 0, "</s>", 2),
    decoder: { type: "ByteLevel", ...options },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: numbered(tokens),
      merges: merges.map(([left, right]) => `${left} ${right}`),
    },
  };
  const [bos_token, pad_token, eos_token, unk_token, mask_token] = ROBERTA_TOKENS;
  const names = {
    bos_token,
    cls_token: bos_token,
    eos_token,
    sep_token: eos_token,
    pad_token,
    unk_token,
    mask_token,
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
    ...names,
  };
  return { json, config };
}

/** @throws ConfigurationError `ERR_TOKENIZER` where there is no word */
function countWords(texts: Iterable<string>, split: (text: string) => string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of split(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  if (counts.size > 0) return counts;
  throw new ConfigurationError(
    "ERR_TOKENIZER",
    "A tokenizer cannot be learned from texts without a single word.",
  );
}

function addedToken(content: string, id: number): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

function numbered(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** One text between two special tokens; two texts with the second special token between them. */
function template(start: string, startId: number, end: string, endId: number): object {
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: "A" | "B", type_id: number) => ({ Sequence: { id, type_id } });
  const single = [special(start, 0), text("A", 0), special(end, 0)];
  const entry = (id: string, number: number) => [id, { id, ids: [number], tokens: [id] }];
  return {
    type: "TemplateProcessing",
    single,
    pair: [...single, text("B", 1), special(end, 1)],
    special_tokens: Object.fromEntries([entry(start, startId), entry(end, endId)]) as object,
  };
}

/** The characters that stand for the 256 bytes, in the order of their code points, as GPT-2 assigned them. */
function byteAlphabet(): string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => (isPrintable(byte) ? byte : next++))
    .sort((a, b) => a - b)
    .map((code) => String.fromCodePoint(code));
}
