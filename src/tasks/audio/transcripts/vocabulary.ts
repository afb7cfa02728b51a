/** The tokens that a speech recogniser chooses from: characters or words, taken from the transcripts. */
import { compareNaturally } from "../../../data/index.js";
import { ConfigurationError, DataError, describeChoices } from "../../../errors.js";

/**
 * What a token is. `characters` can spell any word; `words`, for a small closed vocabulary such as digits or commands, is
 * learnt faster.
 */
export type TokenUnit = "characters" | "words";

export const TOKEN_UNITS = ["characters", "words"] as const;

/** The class of CTC that stands for no token. */
export const BLANK = 0;

/** A vocabulary: token 0 is CTC's blank. */
export class Vocabulary {
  readonly unit: TokenUnit;
  /** By their numbers; the blank, number 0, is the empty text. */
  readonly tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  /**
   * @param tokens without the blank
   * @throws ConfigurationError `ERR_VOCABULARY`
   */
  constructor(unit: TokenUnit, tokens: readonly string[]) {
    if (!TOKEN_UNITS.includes(unit)) {
      throw new ConfigurationError(
        "ERR_VOCABULARY",
        `There is no unit ${JSON.stringify(unit)} of tokens. ${describeChoices(unit, TOKEN_UNITS)}`,
      );
    }
    if (tokens.length === 0 || tokens.includes("") || new Set(tokens).size !== tokens.length) {
      throw new ConfigurationError(
        "ERR_VOCABULARY",
        `A vocabulary has at least one token, none of them empty or twice; it was given ${JSON.stringify(tokens)}.`,
      );
    }
    this.unit = unit;
    this.tokens = ["", ...tokens];
    this.#ids = new Map(this.tokens.map((token, id) => [token, id]));
  }

  /**
   * Every token that occurs, in natural order.
   *
   * @throws ConfigurationError `ERR_VOCABULARY` where there is none
   */
  static fromTranscripts(transcripts: Iterable<string>, unit: TokenUnit): Vocabulary {
    const tokens = new Set<string>();
    for (const transcript of transcripts) for (const token of tokensOf(transcript, unit)) tokens.add(token);
    return new Vocabulary(unit, [...tokens].sort(compareNaturally));
  }

  get size(): number {
    return this.tokens.length;
  }

  /**
   * The numbers of a normalised transcript's tokens.
   *
   * @param where what the transcript belongs to, for the error
   * @throws DataError `ERR_TRANSCRIPT_TOKEN` for tokens that are not in the vocabulary
   */
  encode(transcript: string, where: { name: string; path?: string | undefined }): number[] {
    const tokens = tokensOf(transcript, this.unit);
    const unknown = [...new Set(tokens.filter((token) => !this.#ids.has(token)))];
    if (unknown.length > 0) {
      const list = unknown.map((token) => JSON.stringify(token)).join(", ");
      throw new DataError(
        "ERR_TRANSCRIPT_TOKEN",
        `The transcript of ${where.name}, ${JSON.stringify(transcript)}, has ${this.unit} that are not in the vocabulary: ${list}. ` +
          "It is taken from the training part: normalise the transcripts, give `tokens`, or leave such samples out with " +
          'onBadSample: "skip".',
        { ...(where.path !== undefined && { path: where.path }) },
      );
    }
    return tokens.map((token) => this.#ids.get(token)!);
  }

  /** The text of tokens, without blanks. */
  decode(ids: readonly number[]): string {
    return ids
      .map((id) => this.tokens[id]!)
      .join(this.unit === "words" ? " " : "")
      .trim();
  }

  /** Whether a token stands between words, and belongs to none. */
  isSpace(id: number): boolean {
    return this.unit === "characters" && this.tokens[id] === " ";
  }

  toJSON(): { unit: TokenUnit; tokens: string[] } {
    return { unit: this.unit, tokens: this.tokens.slice(1) };
  }
}

function tokensOf(transcript: string, unit: TokenUnit): string[] {
  return unit === "characters" ? [...transcript] : transcript.split(" ").filter((word) => word !== "");
}
