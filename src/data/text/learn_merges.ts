/**
 * Byte-pair encoding (Sennrich et al., 2016, https://arxiv.org/abs/1508.07909): the two pieces that stand together most
 * often become one, again and again.
 */

export interface LearnMergesOptions {
  /** Tokens that come first whatever the words are. */
  first: readonly string[];
  /** Tokens at most. */
  vocabSize: number;
  /** How often a pair must occur. */
  minFrequency: number;
  /** The token that two neighbours become. */
  join: (left: string, right: string) => string;
}

export interface LearnedMerges {
  /** The vocabulary in the order of its numbers. */
  tokens: string[];
  merges: [left: string, right: string][];
}

interface Word {
  symbols: number[];
  count: number;
}

/** A pair with the number of its occurrences when it was put there. */
interface Candidate {
  pair: number;
  count: number;
}

/** Pairs are kept as one number. */
const MOST_TOKENS = 2 ** 20;

/**
 * Of pairs that occur equally often the one with the lower numbers is merged first, as Hugging Face's trainers do.
 *
 * @param words with their counts
 * @param symbolsOf the smallest pieces of a word
 */
export function learnMerges(
  words: ReadonlyMap<string, number>,
  symbolsOf: (word: string) => string[],
  { first, vocabSize, minFrequency, join }: LearnMergesOptions,
): LearnedMerges {
  const tokens = [...first];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const idOf = (token: string): number => {
    let id = ids.get(token);
    if (id === undefined) {
      ids.set(token, (id = tokens.length));
      tokens.push(token);
    }
    return id;
  };
  for (const symbol of alphabetOf(words, symbolsOf, vocabSize - tokens.length)) idOf(symbol);
  const known = [...words].flatMap(([word, count]): Word[] => {
    const symbols = symbolsOf(word).map((symbol) => ids.get(symbol));
    return symbols.includes(undefined) ? [] : [{ symbols: symbols as number[], count }];
  });
  const pairs = new PairCounts(known);
  const merges: [string, string][] = [];
  while (tokens.length < Math.min(vocabSize, MOST_TOKENS)) {
    const best = pairs.takeBest();
    if (best === undefined || best.count < minFrequency) break;
    const left = Math.floor(best.pair / MOST_TOKENS);
    const right = best.pair % MOST_TOKENS;
    const merged = idOf(join(tokens[left]!, tokens[right]!));
    merges.push([tokens[left]!, tokens[right]!]);
    pairs.merge(left, right, merged);
  }
  return { tokens, merges };
}

/** The smallest pieces in the order of their code points; where they are too many, the most frequent. */
function alphabetOf(
  words: ReadonlyMap<string, number>,
  symbolsOf: (word: string) => string[],
  most: number,
): string[] {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    for (const symbol of symbolsOf(word)) counts.set(symbol, (counts.get(symbol) ?? 0) + count);
  }
  const byFrequency = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return byFrequency
    .slice(0, Math.max(0, most))
    .map(([symbol]) => symbol)
    .sort((a, b) => (a < b ? -1 : 1));
}

/** How often pairs occur, the words they occur in, and a heap of them. */
class PairCounts {
  readonly #words: readonly Word[];
  readonly #counts = new Map<number, number>();
  readonly #places = new Map<number, Set<number>>();
  readonly #heap: Candidate[] = [];

  constructor(words: readonly Word[]) {
    this.#words = words;
    words.forEach((_, index) => this.#countWord(index, 1));
    for (const [pair, count] of this.#counts) this.#push({ pair, count });
  }

  /** The most frequent pair. What lies in the heap may be out of date: it is put back with its count of now. */
  takeBest(): Candidate | undefined {
    for (let top = this.#pop(); top !== undefined; top = this.#pop()) {
      const count = this.#counts.get(top.pair) ?? 0;
      if (count === top.count) return top;
      if (count > 0) this.#push({ pair: top.pair, count });
    }
    return undefined;
  }

  merge(left: number, right: number, merged: number): void {
    const pair = left * MOST_TOKENS + right;
    const touched = new Set<number>();
    for (const index of this.#places.get(pair) ?? []) {
      this.#countWord(index, -1);
      const { symbols } = this.#words[index]!;
      this.#words[index]!.symbols = replacePair(symbols, left, right, merged);
      for (const changed of this.#countWord(index, 1)) touched.add(changed);
    }
    this.#counts.delete(pair);
    this.#places.delete(pair);
    for (const changed of touched) this.#push({ pair: changed, count: this.#counts.get(changed)! });
  }

  /** Adds a word's pairs, or takes them away. */
  #countWord(index: number, sign: 1 | -1): number[] {
    const { symbols, count } = this.#words[index]!;
    const pairs: number[] = [];
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = symbols[i]! * MOST_TOKENS + symbols[i + 1]!;
      this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + sign * count);
      pairs.push(pair);
      if (sign < 0) continue;
      const places = this.#places.get(pair);
      if (places === undefined) this.#places.set(pair, new Set([index]));
      else places.add(index);
    }
    return pairs;
  }

  #push(candidate: Candidate): void {
    const heap = this.#heap;
    let at = heap.push(candidate) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, candidate)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = candidate;
  }

  #pop(): Candidate | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.count !== b.count ? a.count > b.count : a.pair < b.pair;
}

function replacePair(symbols: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      result.push(merged);
      i++;
    } else result.push(symbols[i]!);
  }
  return result;
}
