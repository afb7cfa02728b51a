/** Texts as tokens. */
import { Tokenizer } from "../../data/text/tokenizer.js";
import { HostTensor } from "../../host_tensor.js";
import {
  padRows,
  roundUpLength,
  type EncodedText,
  type TextArrays,
  type TextPreprocessor,
} from "./text_preprocessor.js";

const SMALLEST_LENGTH = 8;

export class TokenPreprocessor implements TextPreprocessor {
  readonly tokenizer: Tokenizer;
  /** Tokens of a text at most, special ones included. */
  readonly maxLength: number;

  constructor(tokenizer: Tokenizer, maxLength: number) {
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
  }

  static fromFiles(files: Record<string, Uint8Array>, maxLength: number): TokenPreprocessor {
    return new TokenPreprocessor(Tokenizer.fromFiles(files), maxLength);
  }

  encode(text: string, pair?: string): EncodedText & { typeIds: Int32Array } {
    const { maxLength } = this;
    return this.tokenizer.encode(text, { maxLength, ...(pair !== undefined && { pair }) });
  }

  /**
   * `inputIds`, `attentionMask` (1 for tokens, 0 for padding) and `tokenTypeIds`, int32 [rows, length] each. A text without
   * tokens, and a row without a text, has one padding token that is seen, for attention to nothing is no number.
   */
  collate(texts: readonly (EncodedText & { typeIds?: Int32Array })[], rows = texts.length): TextArrays {
    const length = this.paddedLength(Math.max(1, ...texts.map(({ ids }) => ids.length)));
    const ids = padRows(
      texts.map((text) => text.ids),
      new Int32Array(rows * length).fill(this.tokenizer.padId),
      length,
    );
    const typeIds = padRows(
      texts.map((text) => text.typeIds ?? new Int32Array(0)),
      new Int32Array(rows * length),
      length,
    );
    const mask = new Int32Array(rows * length);
    for (let row = 0; row < rows; row++) {
      const tokens = Math.max(1, texts[row]?.ids.length ?? 0);
      mask.fill(1, row * length, row * length + tokens);
    }
    const tensor = (data: Int32Array) => new HostTensor(data, [rows, length]);
    return { inputIds: tensor(ids), attentionMask: tensor(mask), tokenTypeIds: tensor(typeIds) };
  }

  paddedLength(length: number): number {
    return Math.max(length, Math.min(this.maxLength, roundUpLength(length, SMALLEST_LENGTH)));
  }

  files(): Record<string, Uint8Array> {
    return this.tokenizer.files();
  }
}
