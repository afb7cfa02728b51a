/** From an acoustic model's probabilities to words with their seconds. */
import { ConfigurationError, describeChoices } from "../../../errors.js";
import type { Vocabulary } from "../transcripts/vocabulary.js";
import { beamSearch, type BeamSearchOptions } from "./beam_search.js";
import { alignTokens } from "./forced_alignment.js";
import { greedyTokens, type LogProbabilities } from "./log_probabilities.js";
import { wordsOfTokens, type Transcription } from "./words.js";

export const DECODERS = ["greedy", "beam"] as const;

/** How tokens are chosen. */
export interface DecodingOptions extends BeamSearchOptions {
  /**
   * `greedy` takes the most probable token of each frame; `beam` searches for the most probable text. Default: `beam` where
   * an option of it is given, else `greedy`.
   */
  decoder?: (typeof DECODERS)[number];
}

/** @throws ConfigurationError `ERR_DECODING_OPTION` */
export function checkDecodingOptions({ decoder, beamWidth, ...options }: DecodingOptions): void {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_DECODING_OPTION", message);
  };
  if (decoder !== undefined && !DECODERS.includes(decoder)) {
    refuse(`There is no decoder ${JSON.stringify(decoder)}. ${describeChoices(decoder, DECODERS)}`);
  }
  if (beamWidth !== undefined && (!Number.isInteger(beamWidth) || beamWidth < 1)) {
    refuse(`\`beamWidth\` is a whole number from 1 on, not ${beamWidth}.`);
  }
  const { languageModelWeight, wordBonus, hotWordBonus } = options;
  for (const [name, value] of Object.entries({ languageModelWeight, wordBonus, hotWordBonus })) {
    if (value !== undefined && !Number.isFinite(value))
      refuse(`\`${name}\` is a finite number, not ${value}.`);
  }
  const used = Object.entries({ beamWidth, ...options }).find(([, value]) => value !== undefined);
  if (decoder === "greedy" && used !== undefined) refuse(`\`${used[0]}\` belongs to the decoder "beam".`);
}

/**
 * @param secondsPerFrame of the probabilities
 * @param startSeconds where the first frame lies in the sound
 */
export function decodeProbabilities(
  probabilities: LogProbabilities,
  vocabulary: Vocabulary,
  { secondsPerFrame, startSeconds = 0 }: { secondsPerFrame: number; startSeconds?: number },
  { decoder, ...options }: DecodingOptions = {},
): Transcription {
  const searches = Object.values(options).some((value) => value !== undefined);
  const chosen = decoder ?? (searches ? "beam" : "greedy");
  const tokens =
    chosen === "greedy" ? greedyTokens(probabilities) : beamSearch(probabilities, vocabulary, options);
  // A search only proposes texts that fit into the frames.
  const aligned = alignTokens(probabilities, tokens)!;
  const words = wordsOfTokens(aligned, vocabulary, secondsPerFrame).map(({ start, end, ...word }) => ({
    ...word,
    start: start + startSeconds,
    end: end + startSeconds,
  }));
  return {
    text: words.map(({ word }) => word).join(" "),
    words: words.map(({ word, start, end, score }) => ({ word, start, end, score })),
  };
}
