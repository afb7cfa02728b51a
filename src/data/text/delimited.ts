/** CSV and TSV files, with or without a header. */
import { Readable } from "node:stream";
import { parse, type InfoRecord, type Options } from "csv-parse";
import { parse as parseSync } from "csv-parse/sync";
import { DataError, describeChoices } from "../../errors.js";
import { decodeFile } from "./decode_file.js";
import type { Table, TableOptions, TableRow } from "./table.js";

export interface DelimitedOptions {
  /** What stands between two columns; default a comma in CSV, a tab in TSV. */
  delimiter?: string;
  /** What surrounds a cell that holds delimiters or line ends; default `"` in CSV, and nothing (`false`) in TSV. */
  quote?: string | false;
  /** The names of the columns of a file without a header. Default: the first row is the header. */
  columns?: readonly string[];
}

interface ParsedRecord {
  record: string[];
  info: InfoRecord & { bytes: number; records: number; empty_lines: number };
}

const DEFAULTS = {
  csv: { delimiter: ",", quote: '"' },
  tsv: { delimiter: "\t", quote: false },
} as const;

export class DelimitedTable implements Table {
  readonly #file: string;
  readonly #wanted: readonly (string | readonly string[])[];
  readonly #options: TableOptions;
  readonly #parsing: Options;
  #positions: number[] = [];

  /** @param wanted names, or several for a column, of which the first that the file has is taken */
  constructor(
    file: string,
    wanted: readonly (string | readonly string[])[],
    format: "csv" | "tsv",
    options: TableOptions,
  ) {
    const { delimiter, quote } = { ...DEFAULTS[format], ...options };
    this.#file = file;
    this.#wanted = wanted;
    this.#options = options;
    this.#parsing = { delimiter, quote, relaxColumnCount: true, skipEmptyLines: true };
  }

  async *rows(): AsyncGenerator<TableRow, void> {
    const { encoding, columns } = this.#options;
    const parser = parse({ ...this.#parsing, info: true });
    const source = Readable.from(decodeFile(this.#file, encoding), { objectMode: true });
    source.on("error", (error) => parser.destroy(error));
    let header = columns;
    if (header !== undefined) this.#find(header);
    let end = 0;
    try {
      for await (const parsed of source.pipe(parser)) {
        const { record, info } = parsed as ParsedRecord;
        const start = end;
        end = info.bytes;
        if (header === undefined) {
          header = record;
          this.#find(header);
          continue;
        }
        const row = info.records + info.empty_lines;
        const span = [start, end] as const;
        if (record.length === header.length) {
          yield { row, values: this.#positions.map((position) => record[position]), span };
        } else {
          const problem = `it has ${record.length} columns, but the header has ${header.length}`;
          yield { row, values: [], problem, span };
        }
      }
    } catch (cause) {
      if (cause instanceof DataError) throw cause;
      throw new DataError(
        "ERR_TABLE_READ",
        `The table ${this.#file} cannot be read: ${(cause as Error).message}`,
        { path: this.#file, cause },
      );
    }
    if (header === undefined) this.#find([]);
  }

  parseRow(text: string): readonly unknown[] {
    const [record = []] = parseSync(text, this.#parsing);
    return this.#positions.map((position) => record[position]);
  }

  #find(header: readonly string[]): void {
    const names = header.map((cell) => cell.trim());
    this.#positions = this.#wanted.map((wanted) => {
      const choices = typeof wanted === "string" ? [wanted] : wanted;
      const at = choices.map((name) => names.indexOf(name)).find((position) => position >= 0);
      if (at !== undefined) return at;
      const missing = choices.map((name) => JSON.stringify(name)).join(", ");
      throw new DataError(
        "ERR_TABLE_COLUMN",
        names.length === 0
          ? `${this.#file} is empty. Expected a table with the column ${missing}.`
          : `${this.#file} has no column ${missing}. ${describeChoices(choices[0]!, names)} ` +
              "A file without a header needs `columns`.",
        { path: this.#file, row: 1 },
      );
    });
  }
}
