/** Language models of word sequences, for beam search. */
import { readFile } from "node:fs/promises";
import { ConfigurationError, DataError } from "../../../errors.js";

/** Options of `NGramLanguageModel.fromTexts`. */
export interface NGramOptions {
  /** Words of the longest sequences. Default: 3. */
  order?: number;
  /** What is taken off each count, for sequences that were not seen, 0 to 1. Default: 0.75. */
  discount?: number;
}

const START = "<s>";
const END = "</s>";
const UNKNOWN = "<unk>";
const DEFAULT_UNKNOWN_SCORE = Math.log(1e-7);

interface Entry {
  /** ln P(last word | the words before). */
  score: number;
  /** ln of the factor for shorter sequences where a longer one is not known. */
  backoff: number;
}

/** A back-off model: what is not known of long sequences is told by shorter ones. */
export class NGramLanguageModel {
  readonly order: number;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(order: number, entries: ReadonlyMap<string, Entry>) {
    this.order = order;
    this.#entries = entries;
  }

  /**
   * Counts the words of normalised texts: interpolated Kneser-Ney smoothing (Chen and Goodman, 1998) with one discount.
   *
   * @throws ConfigurationError `ERR_LANGUAGE_MODEL`
   */
  static fromTexts(
    texts: Iterable<string>,
    { order = 3, discount = 0.75 }: NGramOptions = {},
  ): NGramLanguageModel {
    if (!Number.isInteger(order) || order < 1 || !(discount > 0 && discount < 1)) {
      refuse(
        `A language model has an order from 1 and a discount between 0 and 1, not ${order} and ${discount}.`,
      );
    }
    const counts = countSequences(texts, order);
    if (counts[0]!.size <= 1) refuse("A language model needs texts to count the words of; there were none.");
    return new NGramLanguageModel(order, kneserNey(counts, discount));
  }

  /**
   * Reads a model in the ARPA format, as SRILM and KenLM write it.
   *
   * @throws DataError `ERR_ARPA`
   */
  static async fromArpa(path: string): Promise<NGramLanguageModel> {
    const text = await readFile(path, "utf8").catch((cause: unknown) => {
      throw new DataError("ERR_ARPA", `${path} cannot be read: ${(cause as Error).message}`, { path, cause });
    });
    const entries = new Map<string, Entry>();
    let order = 0;
    text.split(/\r?\n/).forEach((line, i) => {
      const section = /^\\(\d+)-grams:/.exec(line);
      if (section !== null) order = Number(section[1]);
      else if (order > 0 && line.trim() !== "" && !line.startsWith("\\")) {
        const [score, ...rest] = line.trim().split(/\s+/);
        const words = rest.slice(0, order);
        const backoff = rest[order] ?? "0";
        if (words.length < order || !Number.isFinite(Number(score)) || !Number.isFinite(Number(backoff))) {
          const message = `${path}, line ${i + 1}: ${JSON.stringify(line)} is no entry of an ARPA model.`;
          throw new DataError("ERR_ARPA", message, { path, row: i + 1 });
        }
        entries.set(words.join(" "), {
          score: Number(score) * Math.LN10,
          backoff: Number(backoff) * Math.LN10,
        });
      }
    });
    if (entries.size === 0)
      throw new DataError("ERR_ARPA", `${path} holds no n-grams of an ARPA model.`, { path });
    return new NGramLanguageModel(order, entries);
  }

  /** ln P(word | context). @param context the words before, from the text's beginning or the last `order - 1` of them */
  score(context: readonly string[], word: string): number {
    const known = this.#entries.has(word) ? word : UNKNOWN;
    const before =
      context.length < this.order - 1 ? [START, ...context] : context.slice(context.length - this.order + 1);
    return this.#scoreKnown(this.order === 1 ? [] : before, known);
  }

  /** ln P(the text ends | context). */
  scoreEnd(context: readonly string[]): number {
    return this.score(context, END);
  }

  #scoreKnown(context: readonly string[], word: string): number {
    const entry = this.#entries.get([...context, word].join(" "));
    if (entry !== undefined) return entry.score;
    if (context.length === 0) return DEFAULT_UNKNOWN_SCORE;
    const backoff = this.#entries.get(context.join(" "))?.backoff ?? 0;
    return backoff + this.#scoreKnown(context.slice(1), word);
  }
}

/** For each length, how often each sequence occurs. */
function countSequences(texts: Iterable<string>, order: number): Map<string, number>[] {
  const counts = Array.from({ length: order }, () => new Map<string, number>());
  for (const text of texts) {
    const words = [START, ...text.split(/\s+/).filter((word) => word !== ""), END];
    if (words.length === 2) continue;
    for (let end = 1; end < words.length; end++) {
      for (let length = 1; length <= Math.min(order, end + 1); length++) {
        const sequence = words.slice(end + 1 - length, end + 1).join(" ");
        const known = counts[length - 1]!;
        known.set(sequence, (known.get(sequence) ?? 0) + 1);
      }
    }
  }
  return counts;
}

/**
 * Below the longest, and apart from those at a text's beginning, a sequence counts once for each word that comes before it.
 */
function kneserNey(counts: readonly ReadonlyMap<string, number>[], discount: number): Map<string, Entry> {
  const order = counts.length;
  const used = counts.map((own, i) => {
    if (i === order - 1) return own;
    const continuations = new Map<string, number>();
    for (const sequence of counts[i + 1]!.keys()) {
      const shorter = sequence.slice(sequence.indexOf(" ") + 1);
      continuations.set(shorter, (continuations.get(shorter) ?? 0) + 1);
    }
    for (const [sequence, count] of own)
      if (sequence.startsWith(`${START} `)) continuations.set(sequence, count);
    return continuations;
  });
  const probabilities = new Map<string, number>();
  const entries = new Map<string, Entry>();
  const vocabulary = counts[0]!.size + 1;
  used.forEach((sequences, i) => {
    const totals = new Map<string, { sum: number; kinds: number }>();
    for (const [sequence, count] of sequences) {
      const context = contextOf(sequence);
      const total = totals.get(context) ?? { sum: 0, kinds: 0 };
      totals.set(context, { sum: total.sum + count, kinds: total.kinds + 1 });
    }
    for (const [sequence, count] of sequences) {
      const { sum, kinds } = totals.get(contextOf(sequence))!;
      const shorter = i === 0 ? 1 / vocabulary : probabilityOf(probabilities, sequence);
      const probability = (Math.max(count - discount, 0) + discount * kinds * shorter) / sum;
      probabilities.set(sequence, probability);
      entries.set(sequence, { score: Math.log(probability), backoff: 0 });
    }
    for (const [context, { sum, kinds }] of totals) {
      const backoff = Math.log((discount * kinds) / sum);
      if (context === "") entries.set(UNKNOWN, { score: backoff - Math.log(vocabulary), backoff: 0 });
      else entries.set(context, { score: entries.get(context)?.score ?? -Infinity, backoff });
    }
  });
  return entries;
}

/** Of the same word after one word less. */
function probabilityOf(probabilities: ReadonlyMap<string, number>, sequence: string): number {
  return probabilities.get(sequence.slice(sequence.indexOf(" ") + 1))!;
}

function contextOf(sequence: string): string {
  const end = sequence.lastIndexOf(" ");
  return end < 0 ? "" : sequence.slice(0, end);
}

function refuse(message: string): never {
  throw new ConfigurationError("ERR_LANGUAGE_MODEL", message);
}
