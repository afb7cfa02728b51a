/** What turns texts into the arrays that a text backbone takes. */
import type { HostTensor } from "../../host_tensor.js";

/** One text as numbers. */
export interface EncodedText {
  /** Tokens, or n-grams. */
  readonly ids: Int32Array;
  /** The weight of each n-gram. */
  readonly weights?: Float32Array;
  /** How many tokens or n-grams were left out, because the text has more than the backbone takes. */
  readonly truncated: number;
}

/** A batch for a backbone: arrays by name. */
export type TextArrays = Record<string, HostTensor>;

/** Turns texts into the arrays of a batch. */
export interface TextPreprocessor {
  encode(text: string): EncodedText;
  /**
   * One batch. What is padded has no influence on the others' results; lengths are rounded up, so that few shapes occur.
   *
   * @param rows the rows of the batch; default one a text. Rows beyond the texts are empty.
   */
  collate(texts: readonly EncodedText[], rows?: number): TextArrays;
  /** Positions that a text of this length takes in a batch. */
  paddedLength(length: number): number;
  /** The files that bring it back. */
  files(): Record<string, Uint8Array>;
}

/** Lengths that batches are padded to: four between each power of two and the next, and none below the smallest. */
export function roundUpLength(length: number, smallest: number): number {
  if (length <= smallest) return smallest;
  const step = 2 ** Math.max(Math.floor(Math.log2(length - 1)) - 1, Math.log2(smallest) - 1);
  return Math.ceil(length / step) * step;
}

/** Lists of numbers as one array [rows, length], padded behind. */
export function padRows<Data extends Int32Array | Float32Array>(
  lists: readonly Data[],
  padded: Data,
  length: number,
): Data {
  lists.forEach((list, row) => padded.set(list, row * length));
  return padded;
}
