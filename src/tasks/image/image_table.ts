/** Reads pictures and their classes from a CSV file. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { ConfigurationError, DataError, describeChoices } from "../../errors.js";
import type { LabeledImages } from "./labeled_images.js";

export interface ImageTableOptions {
  /** The column with the picture's path or URL; default `image`. */
  imageColumn?: string;
  /**
   * The column with the class; default `label`. With `multiLabel` either one column whose classes are divided by
   * `labelSeparator`, or a list of columns, one a class, that hold 1 where the picture shows it and 0 where not.
   */
  labelColumn?: string | readonly string[];
  /** With `multiLabel` and one column: what stands between two classes. There is no default: it is never guessed. */
  labelSeparator?: string;
  /** The folder that relative paths start from; default: the table's own. */
  root?: string;
  /** What stands between two columns; default a comma. */
  delimiter?: string;
}

export interface TableScan extends LabeledImages {
  images: string[];
  /** Rows that cannot be used, with their numbers. The header is row 1, as in a spreadsheet. */
  badRows: DataError[];
}

/**
 * @param options.withTargets false for pictures to predict: only the picture's column is read
 * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`
 * @throws ConfigurationError `ERR_MULTI_LABEL` where `multiLabel` and the columns do not fit each other
 */
export async function readImageTable(
  file: string,
  options: ImageTableOptions & { multiLabel: boolean; withTargets: boolean },
): Promise<TableScan> {
  const { imageColumn = "image", labelColumn = "label", root = dirname(file), withTargets } = options;
  if (withTargets) checkLabelColumns(options);
  const [header, ...rows] = await readRows(file, options.delimiter);
  const columnOf = (name: string) => findColumn(file, header ?? [], name);
  const imageAt = columnOf(imageColumn);
  const labelColumns = typeof labelColumn === "string" ? [labelColumn] : labelColumn;
  const labelsAt = withTargets ? labelColumns.map(columnOf) : [];

  const images: string[] = [];
  const classes: string[][] = [];
  const badRows: DataError[] = [];
  rows.forEach((cells, i) => {
    const row = i + 2;
    try {
      if (cells.length !== header!.length) {
        throw new Error(`it has ${cells.length} columns, but the header has ${header!.length}`);
      }
      const image = cells[imageAt]!.trim();
      if (image === "") throw new Error(`the column ${JSON.stringify(imageColumn)} is empty`);
      const names = labelsAt.map((at) => cells[at]!.trim());
      const found = withTargets ? readClasses(names, labelColumns, options) : [];
      images.push(/^(https?|data):/i.test(image) ? image : resolve(root, image));
      classes.push(found);
    } catch (cause) {
      const message = `${file}, row ${row}: ${(cause as Error).message}.`;
      badRows.push(new DataError("ERR_TABLE_ROW", message, { path: file, row, cause }));
    }
  });
  return { images, classes, badRows };
}

function checkLabelColumns({
  labelColumn = "label",
  labelSeparator,
  multiLabel,
}: ImageTableOptions & { multiLabel: boolean }): void {
  const severalColumns = typeof labelColumn !== "string";
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_MULTI_LABEL", message);
  };
  if (!multiLabel && severalColumns)
    refuse("Several label columns mean several classes a picture: give multiLabel: true.");
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

/** The classes of one row. @throws Error with the reason */
function readClasses(
  cells: readonly string[],
  columns: readonly string[],
  { labelColumn = "label", labelSeparator, multiLabel }: ImageTableOptions & { multiLabel: boolean },
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

async function readRows(file: string, delimiter = ","): Promise<string[][]> {
  try {
    const text = await readFile(file, "utf8");
    return parse(text, { bom: true, delimiter, relaxColumnCount: true, skipEmptyLines: true });
  } catch (cause) {
    throw new DataError("ERR_TABLE_READ", `The table ${file} cannot be read: ${(cause as Error).message}`, {
      path: file,
      cause,
    });
  }
}

function findColumn(file: string, header: readonly string[], name: string): number {
  const at = header.findIndex((cell) => cell.trim() === name);
  if (at >= 0) return at;
  throw new DataError(
    "ERR_TABLE_COLUMN",
    `${file} has no column ${JSON.stringify(name)}. ${describeChoices(name, header)}`,
    {
      path: file,
    },
  );
}
