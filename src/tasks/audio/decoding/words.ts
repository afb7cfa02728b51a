/** From tokens and their frames to words and their seconds. */
import type { Vocabulary } from "../transcripts/vocabulary.js";
import type { AlignedToken } from "./forced_alignment.js";

/** A word that was understood. */
export interface RecognizedWord {
  word: string;
  /** Seconds from the beginning of the sound. */
  start: number;
  /** Seconds from the beginning of the sound. */
  end: number;
  /** How sure the recogniser is, 0 to 1: the geometric mean of its tokens' probabilities. */
  score: number;
}

/** What was understood. */
export interface Transcription {
  text: string;
  words: RecognizedWord[];
}

/** @param secondsPerFrame of the frames that the tokens are aligned to */
export function wordsOfTokens(
  tokens: readonly AlignedToken[],
  vocabulary: Vocabulary,
  secondsPerFrame: number,
): RecognizedWord[] {
  const groups: AlignedToken[][] = [];
  let isOpen = false;
  for (const token of tokens) {
    if (vocabulary.isSpace(token.token)) {
      isOpen = false;
      continue;
    }
    if (isOpen && vocabulary.unit === "characters") groups.at(-1)!.push(token);
    else groups.push([token]);
    isOpen = true;
  }
  return groups.map((group) => ({
    word: group.map(({ token }) => vocabulary.tokens[token]!).join(""),
    start: group[0]!.start * secondsPerFrame,
    end: group.at(-1)!.end * secondsPerFrame,
    score: Math.exp(group.reduce((sum, { score }) => sum + Math.log(score), 0) / group.length),
  }));
}
