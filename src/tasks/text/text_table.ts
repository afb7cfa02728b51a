/** Reads texts and their classes from a table. */
import { open, stat } from "node:fs/promises";
import { lengthOfMark } from "../../data/text/decode_file.js";
import {
  asText,
  openTable,
  rowError,
  StoredText,
  StoredTexts,
  type TableFormat,
  type TableOptions,
  type TextSource,
} from "../../data/text/index.js";
import { ConfigurationError, DataError } from "../../errors.js";
import type { TableScan } from "../collect_parts.js";
import { checkLabelColumns, readClasses } from "../label_columns.js";
import type { TextColumnOptions } from "./text_data_options.js";

/** What messages call the samples. */
export const TEXTS = { one: "text", many: "texts" };

interface ScanOptions extends TextColumnOptions, TableOptions {
  multiLabel: boolean;
  /** False for texts to predict: only the text's column is read. */
  withTargets: boolean;
}

const DEFAULT_CACHE_BYTES = 2 ** 30;

/**
 * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`, `ERR_TABLE_ENCODING`
 * @throws ConfigurationError `ERR_MULTI_LABEL` where `multiLabel` and the columns do not fit each other, `ERR_TABLE_SIZE`
 *   for a table larger than `cacheBytes` that cannot stay on disk
 */
export async function readTextTable(
  file: string,
  format: TableFormat,
  options: ScanOptions,
): Promise<TableScan<TextSource>> {
  const { textColumn = "text", labelColumn = "label", multiLabel, withTargets } = options;
  const isDelimited = format === "csv" || format === "tsv";
  const holdsLists = !isDelimited && multiLabel && typeof labelColumn === "string";
  if (withTargets && !(holdsLists && options.labelSeparator === undefined)) {
    checkLabelColumns({ ...options, noun: TEXTS });
  }
  const labelColumns = !withTargets ? [] : typeof labelColumn === "string" ? [labelColumn] : labelColumn;
  const table = openTable(file, format, [textColumn, ...labelColumns], options);
  const store = await storeOf(file, format, table, options);
  const intern = internLists();

  const sources: TextSource[] = [];
  const classes: (readonly string[])[] = [];
  const badRows: DataError[] = [];
  for await (const { row, values, problem, span } of table.rows()) {
    try {
      if (problem !== undefined) throw new Error(problem);
      const text = asText(values[0], textColumn);
      const names = values.slice(1);
      const found = withTargets ? classesOf(names, labelColumns, options) : [];
      sources.push(store === undefined ? text : new StoredText(store, span!));
      classes.push(intern(found));
    } catch (cause) {
      badRows.push(rowError(file, row, (cause as Error).message, cause));
    }
  }
  return { sources, classes, badRows };
}

function classesOf(values: readonly unknown[], columns: readonly string[], options: ScanOptions): string[] {
  const [value] = values;
  if (Array.isArray(value)) {
    if (!options.multiLabel) {
      throw new Error(`the column ${JSON.stringify(columns[0])} holds a list; give multiLabel: true`);
    }
    return [...new Set(value.map((name) => nameOf(name, columns[0]!)))];
  }
  if (options.multiLabel && typeof options.labelColumn !== "object" && options.labelSeparator === undefined) {
    throw new Error(
      `the column ${JSON.stringify(columns[0])} must hold a list of classes, or give labelSeparator`,
    );
  }
  const cells = values.map((cell, i) => nameOf(cell, columns[i]!));
  return readClasses(cells, columns, options);
}

function nameOf(value: unknown, column: string): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return value.trim();
  throw new Error(
    value === undefined || value === null
      ? `the column ${JSON.stringify(column)} is missing`
      : `the column ${JSON.stringify(column)} holds no name of a class`,
  );
}

/** The same list for the same classes: millions of rows have few of them. */
function internLists(): (names: readonly string[]) => readonly string[] {
  const lists = new Map<string, readonly string[]>();
  return (names) => {
    const key = names.join("\u0000");
    const known = lists.get(key);
    if (known === undefined) lists.set(key, names);
    return known ?? names;
  };
}

/** Where texts are read from when they are needed, if the table is too large for memory. */
async function storeOf(
  file: string,
  format: TableFormat,
  table: ReturnType<typeof openTable>,
  { cacheBytes = DEFAULT_CACHE_BYTES, encoding }: ScanOptions,
): Promise<StoredTexts | undefined> {
  const status = await stat(file).catch((cause: unknown) => {
    const message = `The table ${file} cannot be read: ${(cause as Error).message}`;
    throw new DataError("ERR_TABLE_READ", message, { path: file, cause });
  });
  if (status.size <= cacheBytes) return undefined;
  const start = await firstBytes(file);
  const isUtf16 = (start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff);
  if (format === "parquet" || isUtf16 || !/^utf-?8$/i.test(encoding ?? "utf-8")) {
    throw new ConfigurationError(
      "ERR_TABLE_SIZE",
      `${file} has ${status.size} bytes, more than \`cacheBytes\` (${cacheBytes}). Only CSV, TSV and JSON Lines in UTF-8 ` +
        "can be read from disk row by row: convert it, or give a larger `cacheBytes` if memory suffices.",
    );
  }
  return new StoredTexts(file, table, lengthOfMark(start));
}

async function firstBytes(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(3), 0, 3, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
