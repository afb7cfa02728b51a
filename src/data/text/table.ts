/** Reads rows of CSV, TSV, JSON Lines and Parquet files, one after the other, whatever their size. */
import { DataError } from "../../errors.js";
import { DelimitedTable, type DelimitedOptions } from "./delimited.js";
import { JsonLinesTable } from "./json_lines.js";
import { ParquetTable } from "./parquet.js";

/** The kinds of tables. */
export type TableFormat = "csv" | "tsv" | "jsonl" | "parquet";

/** How a table is written down. */
export interface TableOptions extends DelimitedOptions {
  /** A name of the WHATWG encoding standard; default UTF-8, or UTF-16 where the file's byte order mark says so. */
  encoding?: string;
}

/** A row, reduced to the columns that were asked for. */
export interface TableRow {
  /** 1-based. The header of a table is row 1, as in a spreadsheet; in JSON Lines it is the number of the line. */
  row: number;
  /** In the order of the columns asked for; empty where the row has a problem. */
  values: readonly unknown[];
  /** Why the row cannot be used: part of a sentence. */
  problem?: string;
  /** Where in the decoded file, as UTF-8, the row begins and ends, in bytes. Blank lines may precede it. */
  span?: readonly [start: number, end: number];
}

/** A table of which some columns are wanted. */
export interface Table {
  /** @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`, `ERR_TABLE_COLUMN` */
  rows(): AsyncIterable<TableRow>;
  /** The values of one row again, from its span; once `rows` has begun. */
  parseRow?(text: string): readonly unknown[];
}

/** @param columns the names of the columns that are wanted */
export function openTable(
  file: string,
  format: TableFormat,
  columns: readonly string[],
  options: TableOptions = {},
): Table {
  if (format === "parquet") return new ParquetTable(file, columns);
  if (format === "jsonl") return new JsonLinesTable(file, columns, options);
  return new DelimitedTable(file, columns, format, options);
}

/** A text where there should be one. @throws Error with the reason */
export function asText(value: unknown, column: string): string {
  if (typeof value === "string") return value;
  const what = value === null || value === undefined ? "is missing" : `holds ${describe(value)}, not a text`;
  throw new Error(`the column ${JSON.stringify(column)} ${what}`);
}

export function rowError(file: string, row: number, problem: string, cause?: unknown): DataError {
  return new DataError("ERR_TABLE_ROW", `${file}, row ${row}: ${problem}.`, { path: file, row, cause });
}

const DESCRIBED_CHARACTERS = 40;

function describe(value: unknown): string {
  const text = JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item));
  return text.length > DESCRIBED_CHARACTERS ? `${text.slice(0, DESCRIBED_CHARACTERS)}…` : text;
}
