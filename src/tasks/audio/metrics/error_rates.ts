/** Word and character error rates, and a table of the utterances that were understood worst. */
import { ConfigurationError } from "../../../errors.js";
import { alignSequences, countEdits, type AlignmentStep, type EditCounts } from "./edit_alignment.js";

/** An error rate with the edits that it counts. */
export interface ErrorRate extends EditCounts {
  /** Edits by the length of the references: 0 is perfect, and more than 1 is possible. NaN without references. */
  rate: number;
}

/** One utterance: what was said, and what was understood. */
export interface UtteranceErrors extends ErrorRate {
  reference: string;
  hypothesis: string;
  alignment: AlignmentStep[];
  /** Its number in the lists. */
  index: number;
}

type Texts = string | readonly string[];

/**
 * The word error rate over all utterances: substitutions, insertions and deletions of words, divided by the words of the
 * references, as jiwer and torchmetrics count them.
 *
 * @param hypotheses what was understood
 * @param references what was said
 * @throws ConfigurationError `ERR_TRANSCRIPTS` for lists of different lengths
 */
export function wordErrorRate(hypotheses: Texts, references: Texts): ErrorRate {
  return errorRate(hypotheses, references, wordsOf);
}

/**
 * The character error rate over all utterances, spaces included; an accented letter counts as one.
 *
 * @param hypotheses what was understood
 * @param references what was said
 * @throws ConfigurationError `ERR_TRANSCRIPTS` for lists of different lengths
 */
export function characterErrorRate(hypotheses: Texts, references: Texts): ErrorRate {
  return errorRate(hypotheses, references, charactersOf);
}

/**
 * The utterances with the most wrong words, worst first.
 *
 * @param count how many. Default: 10.
 * @throws ConfigurationError `ERR_TRANSCRIPTS` for lists of different lengths
 */
export function worstUtterances(
  hypotheses: readonly string[],
  references: readonly string[],
  count = 10,
): UtteranceErrors[] {
  checkLengths(hypotheses, references);
  return references
    .map((reference, index): UtteranceErrors => {
      const hypothesis = hypotheses[index]!;
      const alignment = alignSequences(wordsOf(reference), wordsOf(hypothesis));
      return { ...rateOf(countEdits(alignment)), reference, hypothesis, alignment, index };
    })
    .filter(({ substitutions, insertions, deletions }) => substitutions + insertions + deletions > 0)
    .sort((a, b) => editsOf(b) - editsOf(a) || b.rate - a.rate || a.index - b.index)
    .slice(0, count);
}

/** The alignments of utterances as a table of text: references above, what was understood below, edits marked. */
export function describeUtterances(utterances: readonly UtteranceErrors[]): string {
  return utterances
    .map(({ alignment, index, substitutions, insertions, deletions, rate }) => {
      const columns = alignment.map(({ kind, reference = "*", hypothesis = "*" }) => {
        const mark = { equal: "", substitution: "S", insertion: "I", deletion: "D" }[kind];
        const width = Math.max(...[reference, hypothesis, mark].map((text) => [...text].length));
        return [reference, hypothesis, mark].map((text) => text + " ".repeat(width - [...text].length));
      });
      const row = (name: string, at: number) =>
        `  ${name} ${columns.map((column) => column[at]).join(" ")}`.trimEnd();
      const counts = `${substitutions} substituted, ${insertions} inserted, ${deletions} deleted`;
      const head = `${index}: word error rate ${rate.toFixed(3)} (${counts})`;
      return [head, row("said ", 0), row("heard", 1), row("     ", 2)].join("\n");
    })
    .join("\n");
}

function errorRate(hypotheses: Texts, references: Texts, unitsOf: (text: string) => string[]): ErrorRate {
  const [given, expected] = [hypotheses, references].map((texts) =>
    typeof texts === "string" ? [texts] : texts,
  );
  checkLengths(given!, expected!);
  const total: EditCounts = { substitutions: 0, insertions: 0, deletions: 0, length: 0 };
  expected!.forEach((reference, i) => {
    const counts = countEdits(alignSequences(unitsOf(reference), unitsOf(given![i]!)));
    total.substitutions += counts.substitutions;
    total.insertions += counts.insertions;
    total.deletions += counts.deletions;
    total.length += counts.length;
  });
  return rateOf(total);
}

function rateOf(counts: EditCounts): ErrorRate {
  const edits = editsOf(counts);
  return { rate: counts.length === 0 ? (edits === 0 ? NaN : Infinity) : edits / counts.length, ...counts };
}

function editsOf({ substitutions, insertions, deletions }: EditCounts): number {
  return substitutions + insertions + deletions;
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function charactersOf(text: string): string[] {
  return [...text.normalize("NFC")];
}

function checkLengths(hypotheses: readonly string[], references: readonly string[]): void {
  if (hypotheses.length === references.length) return;
  throw new ConfigurationError(
    "ERR_TRANSCRIPTS",
    `There are ${hypotheses.length} hypotheses for ${references.length} references. Give one for each.`,
  );
}
