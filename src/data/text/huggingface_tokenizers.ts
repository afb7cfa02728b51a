/** The parts of `@huggingface/tokenizers` that are used, with types: its own cannot be resolved by Node's rules. */
import * as library from "@huggingface/tokenizers";

/** A text to a normalised text. */
export interface Normalizer {
  normalize(text: string): string;
}

/** A text to words. */
export interface PreTokenizer {
  pre_tokenize_text(text: string): string[];
}

export interface TokenizerLibrary {
  encode(
    text: string,
    options?: { text_pair?: string; add_special_tokens?: boolean; return_token_type_ids?: boolean },
  ): { ids: number[]; token_type_ids?: number[] };
  decode(
    ids: number[],
    options?: { skip_special_tokens?: boolean; clean_up_tokenization_spaces?: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(withAddedTokens?: boolean): Map<string, number>;
  normalizer: Normalizer | null;
  pre_tokenizer: PreTokenizer | null;
}

interface Library {
  Tokenizer: new (tokenizer: object, config: object) => TokenizerLibrary;
  BertNormalizer: new (config: object) => Normalizer;
  BertPreTokenizer: new () => PreTokenizer;
  ByteLevelPreTokenizer: new (config: object) => PreTokenizer & { readonly pattern: RegExp };
}

export const { Tokenizer, BertNormalizer, BertPreTokenizer, ByteLevelPreTokenizer } =
  library as unknown as Library;
