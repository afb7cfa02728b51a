/** Word vectors in the text format of GloVe and fastText: a word and its numbers a line. */
import { decodeFile } from "./decode_file.js";
import { DataError } from "../../errors.js";

/** Vectors of words. */
export interface WordVectors {
  /** The row of each word. */
  rows: ReadonlyMap<string, number>;
  /** [words, width], row after row. */
  vectors: Float32Array;
  width: number;
}

/**
 * @param path a file such as `glove.6B.100d.txt` or `wiki-news-300d-1M.vec`, whose first line may hold the counts
 * @param options.limit words at most, from the top, where the most frequent ones are. Default: 100,000.
 * @throws DataError `ERR_WORD_VECTORS` naming the line that is none, `ERR_TABLE_READ`
 */
export async function readWordVectors(
  path: string,
  { limit = 100_000 }: { limit?: number } = {},
): Promise<WordVectors> {
  const rows = new Map<string, number>();
  const numbers: number[][] = [];
  let rest = "";
  let line = 0;
  let width: number | undefined;
  const take = (text: string): void => {
    line++;
    const cells = text.trimEnd().split(" ");
    // fastText begins with the number of words and the width.
    if (text.trim() === "" || (line === 1 && cells.length === 2)) return;
    // Words may hold blanks: the numbers are the last cells.
    width ??= cells.length - 1;
    const values = cells.slice(-width).map(Number);
    if (values.length < width || cells.length <= width || values.some((value) => !Number.isFinite(value))) {
      throw new DataError(
        "ERR_WORD_VECTORS",
        `${path}, line ${line}: expected a word and ${width} numbers.`,
        { path, row: line },
      );
    }
    const word = cells.slice(0, -width).join(" ");
    if (rows.has(word)) return;
    rows.set(word, rows.size);
    numbers.push(values);
  };
  for await (const piece of decodeFile(path)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const text of lines) if (rows.size < limit) take(text);
    if (rows.size >= limit) break;
  }
  if (rest !== "" && rows.size < limit) take(rest);
  if (width === undefined) {
    throw new DataError("ERR_WORD_VECTORS", `${path} holds no word vectors.`, { path });
  }
  const vectors = new Float32Array(rows.size * width);
  numbers.forEach((values, row) => vectors.set(values, row * width!));
  return { rows, vectors, width };
}
