/** Reads files and their classes from a CSV file. */
import { dirname, extname, resolve } from "node:path";
import { DelimitedTable } from "../data/text/delimited.js";
import { rowError, type TableOptions, type TableRow } from "../data/text/index.js";
import type { TableScan } from "./collect_parts.js";
import { checkLabelColumns, readClasses, type LabelColumnOptions } from "./label_columns.js";
import type { SampleNoun } from "./labeled_samples.js";

/** How a table of files and their classes is to be read. */
export interface FileTableOptions extends LabelColumnOptions, TableOptions {
  /** The folder that relative paths start from; default: the table's own. */
  root?: string;
}

/** What is told besides by the kind of data. */
interface FileTable {
  /** The column with the file's path or URL. */
  fileColumn: string;
  multiLabel: boolean;
  /** False for samples to predict: only the file's column is read. */
  withTargets: boolean;
  noun: SampleNoun;
}

/**
 * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`, `ERR_TABLE_COLUMN`
 * @throws ConfigurationError `ERR_MULTI_LABEL` where `multiLabel` and the columns do not fit each other
 */
export async function readFileTable(
  file: string,
  options: FileTableOptions,
  { fileColumn, multiLabel, withTargets, noun }: FileTable,
): Promise<TableScan<string>> {
  const { labelColumn = "label", root = dirname(file) } = options;
  const rules = { ...options, multiLabel, noun };
  if (withTargets) checkLabelColumns(rules);
  const labelColumns = !withTargets ? [] : typeof labelColumn === "string" ? [labelColumn] : labelColumn;
  const scan: TableScan<string> = { sources: [], classes: [], badRows: [] };
  const classes: string[][] = [];
  for await (const { row, values, problem } of openDelimited(file, [fileColumn, ...labelColumns], options)) {
    try {
      if (problem !== undefined) throw new Error(problem);
      const [path, ...names] = (values as string[]).map((cell) => cell.trim());
      if (path === "") throw new Error(`the column ${JSON.stringify(fileColumn)} is empty`);
      classes.push(withTargets ? readClasses(names, labelColumns, rules) : []);
      scan.sources.push(locate(path!, root));
    } catch (cause) {
      scan.badRows.push(rowError(file, row, (cause as Error).message, cause));
    }
  }
  return { ...scan, classes };
}

/**
 * The rows of a CSV file, or of one whose columns are divided by tabs: if `delimiter` says so, else if its name ends in `.tsv`.
 *
 * @param columns names, or several for a column, of which the first that the file has is taken
 */
export function openDelimited(
  file: string,
  columns: readonly (string | readonly string[])[],
  options: TableOptions,
): AsyncIterable<TableRow> {
  const { delimiter = extname(file) === ".tsv" ? "\t" : "," } = options;
  return new DelimitedTable(file, columns, delimiter === "\t" ? "tsv" : "csv", options).rows();
}

/** A path as it stands in a table, or an address. */
export function locate(path: string, root: string): string {
  return /^(https?|data|file):/i.test(path) ? path : resolve(root, path);
}
