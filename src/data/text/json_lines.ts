/** JSON Lines files: one JSON object a line. */
import { decodeFile } from "./decode_file.js";
import type { Table, TableOptions, TableRow } from "./table.js";

export class JsonLinesTable implements Table {
  readonly #file: string;
  readonly #wanted: readonly string[];
  readonly #encoding: string | undefined;

  constructor(file: string, wanted: readonly string[], { encoding }: TableOptions) {
    this.#file = file;
    this.#wanted = wanted;
    this.#encoding = encoding;
  }

  async *rows(): AsyncGenerator<TableRow, void> {
    let row = 0;
    let end = 0;
    for await (const line of linesOf(decodeFile(this.#file, this.#encoding))) {
      row++;
      const start = end;
      end += Buffer.byteLength(line);
      if (line.trim() === "") continue;
      const span = [start, end] as const;
      try {
        yield { row, values: this.parseRow(line), span };
      } catch (error) {
        yield { row, values: [], problem: (error as Error).message, span };
      }
    }
  }

  parseRow(line: string): readonly unknown[] {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw new Error(`it is not valid JSON (${(cause as Error).message})`, { cause });
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new Error("it is not a JSON object");
    }
    const fields = value as Record<string, unknown>;
    return this.#wanted.map((name) => fields[name]);
  }
}

/** Lines with their ends: `\n`, after a `\r` or not. */
async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string, void> {
  const pending: string[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      pending.push(chunk.slice(start, end + 1));
      yield pending.join("");
      pending.length = 0;
      start = end + 1;
    }
    if (start < chunk.length) pending.push(chunk.slice(start));
  }
  if (pending.length > 0) yield pending.join("");
}
