/** The classes of a table's rows: which columns hold them, and what a row says. */
import { ConfigurationError, DataError } from "../errors.js";
import type { SampleNoun } from "./labeled_samples.js";

export interface LabelColumnOptions {
  /**
   * The column with the class; default `label`. With `multiLabel` either one column whose classes are divided by
   * `labelSeparator`, or a list of columns, one a class, that hold 1 where the sample has it and 0 where not.
   */
  labelColumn?: string | readonly string[];
  /** With `multiLabel` and one column: what stands between two classes. There is no default: it is never guessed. */
  labelSeparator?: string;
}

/** @throws ConfigurationError `ERR_MULTI_LABEL` where `multiLabel` and the columns do not fit each other */
export function checkLabelColumns({
  labelColumn = "label",
  labelSeparator,
  multiLabel,
  noun,
}: LabelColumnOptions & { multiLabel: boolean; noun: SampleNoun }): void {
  const severalColumns = typeof labelColumn !== "string";
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_MULTI_LABEL", message);
  };
  if (!multiLabel && severalColumns)
    refuse(`Several label columns mean several classes a ${noun.one}: give multiLabel: true.`);
  if (!multiLabel && labelSeparator !== undefined)
    refuse("`labelSeparator` divides several classes: give multiLabel: true.");
  if (multiLabel && !severalColumns && !labelSeparator) {
    refuse(
      `multiLabel needs to know what divides the classes in ${JSON.stringify(labelColumn)}: give labelSeparator, or a list of columns.`,
    );
  }
  if (multiLabel && severalColumns && labelSeparator !== undefined) {
    refuse("Give either `labelSeparator` or a list of label columns, not both.");
  }
}

/** The classes of one row, from its trimmed cells. @throws Error with the reason */
export function readClasses(
  cells: readonly string[],
  columns: readonly string[],
  { labelColumn = "label", labelSeparator, multiLabel }: LabelColumnOptions & { multiLabel: boolean },
): string[] {
  if (!multiLabel) {
    if (cells[0] === "") throw new Error(`the column ${JSON.stringify(columns[0])} is empty`);
    return [cells[0]!];
  }
  if (typeof labelColumn === "string") {
    const names = cells[0]!.split(labelSeparator!).map((name) => name.trim());
    return [...new Set(names.filter((name) => name !== ""))];
  }
  return columns.filter((column, i) => {
    if (cells[i] !== "0" && cells[i] !== "1") {
      throw new Error(`the column ${JSON.stringify(column)} must be 0 or 1, not ${JSON.stringify(cells[i])}`);
    }
    return cells[i] === "1";
  });
}

const LISTED = 10;

/** One error for all rows of a table that cannot be used. */
export function badRowsError(file: string, badRows: readonly DataError[]): DataError {
  const [first] = badRows;
  if (badRows.length === 1) return first!;
  const list = badRows.slice(0, LISTED).map(({ message }) => `  ${message}`);
  if (badRows.length > LISTED) list.push(`  and ${badRows.length - LISTED} more`);
  return new DataError(
    "ERR_TABLE_ROW",
    `${badRows.length} rows of ${file} cannot be used. Mend them, or leave them out with onBadSample: "skip".\n${list.join("\n")}`,
    { path: file, row: first!.row },
  );
}
