/**
 * Texts as weighted n-grams of words and characters, as fastText (Bojanowski et al., 2017,
 * https://arxiv.org/abs/1607.04606) has them: each n-gram is a hash, and the hashes that training texts had most often have
 * a row in a table.
 */
import { CheckpointError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { hashCharacterNgrams, hashWordNgrams, wordsOf } from "./ngram_hashes.js";
import {
  padRows,
  roundUpLength,
  type EncodedText,
  type TextArrays,
  type TextPreprocessor,
} from "./text_preprocessor.js";

export interface NgramOptions {
  /** The most n-grams that have a row of their own. Default: 65,536. */
  maxNgrams?: number;
}

/** In smaller data sets an n-gram of a single text counts as well. */
const LARGE_DATA_SET = 1000;
/** Counted n-grams; beyond, those of a single text are forgotten, as in lossy counting (Manku and Motwani, 2002). */
const MOST_COUNTED = 2 ** 22;
/** Of longer texts the n-grams that weigh most. */
const MOST_NGRAMS_OF_A_TEXT = 4096;
const SMALLEST_LENGTH = 32;
const FILE_NAME = "ngrams.bin";

/**
 * The weight of an n-gram is (1 + ln count) · √idf; those of words and those of characters are each scaled to a sum of
 * squares of 1. The inverse document frequency idf is ln((1 + texts) / (1 + texts with the n-gram)) + 1.
 */
export class NgramPreprocessor implements TextPreprocessor {
  readonly #hashes: Int32Array;
  /** √idf of each row. */
  readonly #scales: Float32Array;
  readonly #rows: Map<number, number>;

  private constructor(hashes: Int32Array, scales: Float32Array) {
    this.#hashes = hashes;
    this.#scales = scales;
    this.#rows = new Map(Array.from(hashes, (hash, row) => [hash, row]));
  }

  /** Chooses the n-grams that have rows: the most frequent ones. */
  static fit(texts: Iterable<string>, { maxNgrams = 2 ** 16 }: NgramOptions = {}): NgramPreprocessor {
    let counts = new Map<number, number>();
    let total = 0;
    for (const text of texts) {
      total++;
      for (const block of blocksOf(text)) {
        for (const hash of block.keys()) counts.set(hash, (counts.get(hash) ?? 0) + 1);
      }
      if (counts.size > MOST_COUNTED) counts = new Map([...counts].filter(([, count]) => count > 1));
    }
    const fewest = total < LARGE_DATA_SET ? 1 : 2;
    const kept = [...counts].filter(([, count]) => count >= fewest);
    kept.sort(([hashA, a], [hashB, b]) => b - a || hashA - hashB);
    kept.length = Math.min(kept.length, maxNgrams);
    const hashes = Int32Array.from(kept, ([hash]) => hash);
    const scales = Float32Array.from(kept, ([, count]) => Math.sqrt(Math.log((1 + total) / (1 + count)) + 1));
    return new NgramPreprocessor(hashes, scales);
  }

  /** @throws CheckpointError `ERR_TASK_FILE` where the file is missing or is none */
  static fromFiles(files: Record<string, Uint8Array>): NgramPreprocessor {
    const bytes = files[FILE_NAME];
    if (bytes === undefined || bytes.length % 8 !== 0) {
      throw new CheckpointError("ERR_TASK_FILE", `The task's ${FILE_NAME} is missing or damaged.`);
    }
    const { buffer } = new Uint8Array(bytes);
    const count = bytes.length / 8;
    return new NgramPreprocessor(new Int32Array(buffer, 0, count), new Float32Array(buffer, count * 4));
  }

  /** Rows that the backbone's table needs. */
  get numRows(): number {
    return Math.max(1, this.#hashes.length);
  }

  encode(text: string): EncodedText {
    const ids: number[] = [];
    const weights: number[] = [];
    for (const block of blocksOf(text)) {
      const start = ids.length;
      let squares = 0;
      for (const [hash, count] of block) {
        const row = this.#rows.get(hash);
        if (row === undefined) continue;
        const weight = (1 + Math.log(count)) * this.#scales[row]!;
        squares += weight * weight;
        ids.push(row);
        weights.push(weight);
      }
      const norm = Math.sqrt(squares);
      for (let i = start; i < weights.length; i++) weights[i]! /= norm;
    }
    if (ids.length <= MOST_NGRAMS_OF_A_TEXT) {
      return { ids: Int32Array.from(ids), weights: Float32Array.from(weights), truncated: 0 };
    }
    const heaviest = ids.map((_, i) => i).sort((a, b) => weights[b]! - weights[a]! || a - b);
    heaviest.length = MOST_NGRAMS_OF_A_TEXT;
    return {
      ids: Int32Array.from(heaviest, (i) => ids[i]!),
      weights: Float32Array.from(heaviest, (i) => weights[i]!),
      truncated: ids.length - MOST_NGRAMS_OF_A_TEXT,
    };
  }

  /** `ngramIds` int32 [rows, length] and `ngramWeights` float32 [rows, length], whose padding weighs nothing. */
  collate(texts: readonly EncodedText[], rows = texts.length): TextArrays {
    const length = this.paddedLength(Math.max(0, ...texts.map(({ ids }) => ids.length)));
    const size = rows * length;
    const ids = padRows(
      texts.map((text) => text.ids),
      new Int32Array(size),
      length,
    );
    const weights = padRows(
      texts.map((text) => text.weights!),
      new Float32Array(size),
      length,
    );
    return {
      ngramIds: new HostTensor(ids, [rows, length]),
      ngramWeights: new HostTensor(weights, [rows, length]),
    };
  }

  paddedLength(length: number): number {
    return roundUpLength(length, SMALLEST_LENGTH);
  }

  files(): Record<string, Uint8Array> {
    const bytes = new Uint8Array(this.#hashes.length * 8);
    bytes.set(new Uint8Array(this.#hashes.buffer, this.#hashes.byteOffset, this.#hashes.byteLength));
    bytes.set(
      new Uint8Array(this.#scales.buffer, this.#scales.byteOffset, this.#scales.byteLength),
      this.#hashes.byteLength,
    );
    return { [FILE_NAME]: bytes };
  }
}

/** The n-grams of a text with their counts: those of words, and those of characters. */
function blocksOf(text: string): [words: Map<number, number>, characters: Map<number, number>] {
  const words = wordsOf(text);
  return [countHashes(hashWordNgrams(words)), countHashes(hashCharacterNgrams(words))];
}

function countHashes(hashes: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const hash of hashes) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  return counts;
}
