/**
 * BERT's normalisation as Hugging Face's tokenizers have it, character by character. The class that it extends takes the
 * halves of characters beyond U+FFFF for characters, and lower-cases with regard to the end of a word (Σ).
 */
import { BertNormalizer } from "./huggingface_tokenizers.js";

/** What a `tokenizer.json` says of it. */
export interface BertNormalizerConfig {
  clean_text?: boolean;
  handle_chinese_chars?: boolean;
  strip_accents?: boolean | null;
  lowercase?: boolean;
}

const BLANK = /[\t\n\r\p{Zs}\u2028\u2029]/gu;
const REMOVED = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\ufffd]/gu;
const IDEOGRAPH =
  /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

export class ExactBertNormalizer extends BertNormalizer {
  readonly #config: BertNormalizerConfig;

  constructor(config: BertNormalizerConfig) {
    super(config);
    this.#config = config;
  }

  override normalize(text: string): string {
    const { clean_text, handle_chinese_chars, lowercase = false, strip_accents } = this.#config;
    let result = text;
    if (clean_text) result = result.replace(BLANK, " ").replace(REMOVED, "");
    if (handle_chinese_chars) result = result.replace(IDEOGRAPH, " $& ");
    if (strip_accents ?? lowercase) result = result.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lowercase ? lowerCase(result) : result;
  }
}

/** Each character by itself; only Σ is lower-cased with regard to its neighbours. */
function lowerCase(text: string): string {
  return text.includes("Σ")
    ? Array.from(text, (character) => character.toLowerCase()).join("")
    : text.toLowerCase();
}
