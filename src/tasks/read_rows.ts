/** Reads the rows of a CSV file, the header first. */
import { readFile } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { DataError } from "../errors.js";

/** @throws DataError `ERR_TABLE_READ` where the file cannot be read or its quotes do not close */
export async function readRows(file: string, delimiter = ","): Promise<string[][]> {
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
