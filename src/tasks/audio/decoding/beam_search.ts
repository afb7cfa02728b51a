/** Prefix beam search for CTC, with a language model and words to listen for. */
import { BLANK, type Vocabulary } from "../transcripts/vocabulary.js";
import { logAdd, type LogProbabilities } from "./log_probabilities.js";
import type { NGramLanguageModel } from "./ngram_language_model.js";

/** Options of beam search. */
export interface BeamSearchOptions {
  /** Beginnings of texts that are followed. Default: 32. */
  beamWidth?: number;
  /** A model of what is likely to be said. Default: none. */
  languageModel?: NGramLanguageModel;
  /** Its weight against the sound. Default: 0.5. */
  languageModelWeight?: number;
  /** Added for each word, against a language model's liking for short texts. Default: 1 with a language model, else 0. */
  wordBonus?: number;
  /** Words to listen for, such as names. Default: none. */
  hotWords?: readonly string[];
  /** Added, as a natural logarithm, for each of them. Default: 5. */
  hotWordBonus?: number;
}

/** Classes of a frame that are less probable are passed over: e^-9 is 0.0001. */
const LEAST_LOG_PROBABILITY = -9;

/** The beginning of a text. Each is one object, so that the ways that lead to it add up. */
interface Prefix {
  token: number;
  parent: Prefix | undefined;
  children: Map<number, Prefix>;
  /** Words that are complete. */
  words: readonly string[];
  /** The word that is being spelled. */
  word: string;
  /** What the language model and the hot words say of the complete words. */
  wordScore: number;
  /** That, with what is hoped of the word that is being spelled. */
  score: number;
}

interface Beam {
  prefix: Prefix;
  /** ln of the probability of all ways that end in a blank, and of all that end in the last token. */
  blank: number;
  token: number;
}

/**
 * The tokens of the most probable text (Hannun et al., 2014, https://arxiv.org/abs/1408.2873): all alignments of a text
 * count together, and words are judged as they are completed.
 */
export function beamSearch(
  { data, frames, classes }: LogProbabilities,
  vocabulary: Vocabulary,
  options: BeamSearchOptions = {},
): number[] {
  const { beamWidth = 32 } = options;
  const judge = new WordJudge(vocabulary, options);
  let beams: Beam[] = [{ prefix: judge.empty(), blank: 0, token: -Infinity }];
  for (let t = 0; t < frames; t++) {
    const row = data.subarray(t * classes, (t + 1) * classes);
    const next = new Map<Prefix, Beam>();
    const beamOf = (prefix: Prefix): Beam => {
      let beam = next.get(prefix);
      if (beam === undefined) next.set(prefix, (beam = { prefix, blank: -Infinity, token: -Infinity }));
      return beam;
    };
    const likely = likelyClasses(row);
    for (const { prefix, blank, token } of beams) {
      const total = logAdd(blank, token);
      for (const id of likely) {
        const emission = row[id]!;
        if (id === BLANK) {
          const same = beamOf(prefix);
          same.blank = logAdd(same.blank, total + emission);
          continue;
        }
        const isRepeat = id === prefix.token;
        if (isRepeat) {
          const same = beamOf(prefix);
          same.token = logAdd(same.token, token + emission);
        }
        const from = isRepeat ? blank : total;
        if (from === -Infinity) continue;
        const longer = beamOf(judge.extend(prefix, id));
        longer.token = logAdd(longer.token, from + emission);
      }
    }
    beams = best([...next.values()], beamWidth, (beam) => beam.prefix.score);
  }
  const [winner] = best(beams, 1, ({ prefix }) => judge.final(prefix));
  return tokensOf(winner!.prefix);
}

/** The blank and the most probable class are always among them. */
function likelyClasses(row: Float32Array): number[] {
  let top = 0;
  const likely: number[] = [];
  for (let id = 0; id < row.length; id++) {
    if (row[id]! > row[top]!) top = id;
    if (id === BLANK || row[id]! > LEAST_LOG_PROBABILITY) likely.push(id);
  }
  return likely.includes(top) ? likely : [...likely, top];
}

function best(beams: Beam[], count: number, scoreOf: (beam: Beam) => number): Beam[] {
  const scored = beams.map((beam) => ({ beam, score: logAdd(beam.blank, beam.token) + scoreOf(beam) }));
  scored.sort((a, b) => b.score - a.score);
  return scored.slice(0, count).map(({ beam }) => beam);
}

function tokensOf(prefix: Prefix): number[] {
  const tokens: number[] = [];
  for (let at = prefix; at.parent !== undefined; at = at.parent) tokens.push(at.token);
  return tokens.reverse();
}

/** Knows what words are worth. */
class WordJudge {
  readonly #vocabulary: Vocabulary;
  readonly #model: NGramLanguageModel | undefined;
  readonly #weight: number;
  readonly #wordBonus: number;
  readonly #hotWords: ReadonlySet<string>;
  readonly #hotWordBonus: number;

  constructor(vocabulary: Vocabulary, options: BeamSearchOptions) {
    const { languageModel, languageModelWeight = 0.5, hotWords = [], hotWordBonus = 5 } = options;
    this.#vocabulary = vocabulary;
    this.#model = languageModel;
    this.#weight = languageModelWeight;
    this.#wordBonus = options.wordBonus ?? (languageModel === undefined ? 0 : 1);
    this.#hotWords = new Set(hotWords);
    this.#hotWordBonus = hotWordBonus;
  }

  empty(): Prefix {
    return {
      token: BLANK,
      parent: undefined,
      children: new Map(),
      words: [],
      word: "",
      wordScore: 0,
      score: 0,
    };
  }

  extend(parent: Prefix, token: number): Prefix {
    let child = parent.children.get(token);
    if (child !== undefined) return child;
    let { words, word, wordScore } = parent;
    if (this.#vocabulary.isSpace(token)) {
      [words, wordScore, word] = [...this.#complete(words, word, wordScore), ""];
    } else if (this.#vocabulary.unit === "words") {
      [words, wordScore] = this.#complete(words, this.#vocabulary.tokens[token]!, wordScore);
    } else word += this.#vocabulary.tokens[token]!;
    const score = wordScore + this.#hope(word);
    child = { token, parent, children: new Map(), words, word, wordScore, score };
    parent.children.set(token, child);
    return child;
  }

  /** The score of a text that ends here. */
  final(prefix: Prefix): number {
    const [words, score] = this.#complete(prefix.words, prefix.word, prefix.wordScore);
    return score + this.#weight * (this.#model?.scoreEnd(words) ?? 0);
  }

  #complete(words: readonly string[], word: string, score: number): [readonly string[], number] {
    if (word === "") return [words, score];
    let own = this.#wordBonus + this.#weight * (this.#model?.score(words, word) ?? 0);
    if (this.#hotWords.has(word)) own += this.#hotWordBonus;
    return [[...words, word], score + own];
  }

  /** A part of the bonus for the beginning of a hot word, lest it be given up before it is complete. */
  #hope(word: string): number {
    if (word === "") return 0;
    let hope = 0;
    for (const hot of this.#hotWords) {
      if (hot.startsWith(word)) hope = Math.max(hope, (this.#hotWordBonus * word.length) / hot.length);
    }
    return hope;
  }
}
