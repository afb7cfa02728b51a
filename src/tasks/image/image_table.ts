/** Reads pictures and their classes from a CSV file. */
import { dirname, resolve } from "node:path";
import { DataError } from "../../errors.js";
import { checkLabelColumns, findColumn, readClasses, type LabelColumnOptions } from "../label_columns.js";
import { readRows } from "../read_rows.js";
import { PICTURES, type LabeledImages } from "./image_sources.js";

export interface ImageTableOptions extends LabelColumnOptions {
  /** The column with the picture's path or URL; default `image`. */
  imageColumn?: string;
  /** The folder that relative paths start from; default: the table's own. */
  root?: string;
  /** What stands between two columns; default a comma. */
  delimiter?: string;
}

export interface TableScan extends LabeledImages {
  sources: string[];
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
  if (withTargets) checkLabelColumns({ ...options, noun: PICTURES });
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
  return { sources: images, classes, badRows };
}
