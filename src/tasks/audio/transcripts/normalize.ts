/** Brings transcripts into the form that is learnt. */

/** How transcripts are normalised; `SpeechRecognitionData.describe` shows what it does to them. */
export interface TextNormalization {
  /** Default: true. */
  lowercase?: boolean;
  /** Whether punctuation and symbols become spaces. Apostrophes and hyphens within words stay. Default: true. */
  removePunctuation?: boolean;
  /** Unicode's form. Default: `NFKC`. */
  unicode?: "NFC" | "NFKC" | "NFD" | "NFKD" | null;
  /** Texts and what stands in their place, in this order, after the case was changed: `{ "&": " and " }`. Default: none. */
  replace?: Readonly<Record<string, string>>;
}

/** One transcript as it is learnt. Spaces are single, and none are at the ends. */
export function normalizeTranscript(text: string, options: TextNormalization = {}): string {
  const { lowercase = true, removePunctuation = true, unicode = "NFKC", replace = {} } = options;
  let result = unicode === null ? text : text.normalize(unicode);
  if (lowercase) result = result.toLowerCase();
  for (const [from, to] of Object.entries(replace)) result = result.replaceAll(from, to);
  if (removePunctuation) {
    result = result
      .replaceAll("’", "'")
      .replace(/(?<![\p{L}\p{N}])['-]|['-](?![\p{L}\p{N}])/gu, " ")
      .replace(/[^\p{L}\p{M}\p{N}\s'-]/gu, " ");
  }
  return result.replace(/\s+/gu, " ").trim();
}
