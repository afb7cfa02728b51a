/** Files of tagged words: CoNLL columns, and JSON Lines. */
import { decodeFile } from "../../data/text/decode_file.js";
import { openTable, rowError } from "../../data/text/index.js";
import { DataError } from "../../errors.js";

/** Words with a tag each. */
export interface TaggedWords {
  words: readonly string[];
  /** Such as `B-PER`, `I-PER` and `O`. */
  tags: readonly string[];
}

/**
 * A word a line, its tag in the last column, columns divided by blanks or tabs; a blank line between sentences. Lines
 * that begin with `-DOCSTART-` or `# ` are passed over.
 *
 * @throws DataError `ERR_TABLE_ROW` for a line without a tag, `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`, `ERR_NO_TEXTS`
 */
export async function readConll(file: string): Promise<TaggedWords[]> {
  const pieces: string[] = [];
  for await (const piece of decodeFile(file)) pieces.push(piece);
  const sentences: TaggedWords[] = [];
  let words: string[] = [];
  let tags: string[] = [];
  const finish = (): void => {
    if (words.length > 0) sentences.push({ words, tags });
    [words, tags] = [[], []];
  };
  pieces
    .join("")
    .split(/\r?\n/)
    .forEach((line, i) => {
      const cells = line.trim().split(/[ \t]+/);
      if (cells[0] === "") finish();
      else if (cells[0] !== "-DOCSTART-" && !line.startsWith("# ")) {
        if (cells.length < 2) {
          throw rowError(file, i + 1, `it has the word ${JSON.stringify(cells[0])}, but no tag behind it`);
        }
        words.push(cells[0]!);
        tags.push(cells.at(-1)!);
      }
    });
  finish();
  return requireSome(file, sentences);
}

/**
 * An object a line with a list of words and one of tags.
 *
 * @throws DataError `ERR_TABLE_ROW`, `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`, `ERR_NO_TEXTS`
 */
export async function readTaggedJsonl(
  file: string,
  { wordsColumn = "tokens", tagsColumn = "tags" }: { wordsColumn?: string; tagsColumn?: string } = {},
): Promise<TaggedWords[]> {
  const sentences: TaggedWords[] = [];
  for await (const { row, values, problem } of openTable(file, "jsonl", [wordsColumn, tagsColumn]).rows()) {
    if (problem !== undefined) throw rowError(file, row, problem);
    const [words, tags] = values;
    if (!isListOfStrings(words) || !isListOfStrings(tags) || words.length !== tags.length) {
      const lists = `${JSON.stringify(wordsColumn)} and ${JSON.stringify(tagsColumn)}`;
      throw rowError(file, row, `expected two lists of strings of one length, ${lists}`);
    }
    sentences.push({ words, tags });
  }
  return requireSome(file, sentences);
}

function isListOfStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function requireSome(file: string, sentences: TaggedWords[]): TaggedWords[] {
  if (sentences.length > 0) return sentences;
  throw new DataError("ERR_NO_TEXTS", `${file} holds no sentence.`, { path: file });
}
