/** Words of a text, and the hashes of their n-grams: FNV-1a over UTF-16 code units (Fowler, Noll and Vo, 1991). */

const WORD_NGRAMS = 3;
const SHORTEST_CHARACTER_NGRAM = 2;
const LONGEST_CHARACTER_NGRAM = 4;

/** Different for the two kinds, so that a word is not an n-gram of characters. */
const WORD_BASIS = 0x811c9dc5 | 0;
const CHARACTER_BASIS = 0x2c1b3c6d;
const PRIME = 0x01000193;
const SPACE = 0x20;
/** Around each text, for n-grams of words, and each word, for those of characters. */
const START = "\u0002";
const END = "\u0003";

const WORD = /[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_]/gu;

/** Runs of letters and digits, and single other characters; lower case, in the compatibility form NFKC. */
export function wordsOf(text: string): string[] {
  return text.normalize("NFKC").toLowerCase().match(WORD) ?? [];
}

/** One word, and two or three in a row, where the ends of the text count as words. */
export function hashWordNgrams(words: readonly string[]): number[] {
  const hashes = words.map((word) => finish(hashOn(WORD_BASIS, word)));
  if (words.length === 0) return hashes;
  const bounded = [START, ...words, END];
  for (let first = 0; first < bounded.length - 1; first++) {
    let hash = hashOn(WORD_BASIS, bounded[first]!);
    const last = Math.min(first + WORD_NGRAMS, bounded.length);
    for (let i = first + 1; i < last; i++) {
      hash = hashOn(step(hash, SPACE), bounded[i]!);
      hashes.push(finish(hash));
    }
  }
  return hashes;
}

/** Two to four characters in a row within a word, where its ends count as characters. Whole words are left out. */
export function hashCharacterNgrams(words: readonly string[]): number[] {
  const hashes: number[] = [];
  for (const word of words) {
    const bounded = START + word + END;
    for (let first = 0; first < bounded.length - 1; first++) {
      const last = Math.min(first + LONGEST_CHARACTER_NGRAM, bounded.length);
      let hash = step(CHARACTER_BASIS, bounded.charCodeAt(first));
      for (let i = first + 1; i < last; i++) {
        hash = step(hash, bounded.charCodeAt(i));
        const length = i - first + 1;
        if (length >= SHORTEST_CHARACTER_NGRAM && length < bounded.length) hashes.push(finish(hash));
      }
    }
  }
  return hashes;
}

function hashOn(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = step(hash, text.charCodeAt(i));
  return hash;
}

function step(hash: number, code: number): number {
  return Math.imul(hash ^ code, PRIME);
}

/** MurmurHash3's last mixing step: short inputs leave FNV's high bits alike. */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
