/** Reads sounds and their classes from a CSV file. */
import { dirname, extname, resolve } from "node:path";
import { DataError } from "../../errors.js";
import { checkLabelColumns, findColumn, readClasses } from "../label_columns.js";
import type { LabeledSamples } from "../labeled_samples.js";
import { readRows } from "../read_rows.js";
import type { AudioTablesOptions } from "./audio_classification_data_options.js";
import { SOUNDS } from "./audio_files.js";

export interface AudioTableScan extends LabeledSamples<string> {
  sources: string[];
  /** Rows that cannot be used, with their numbers. The header is row 1, as in a spreadsheet. */
  badRows: DataError[];
}

/**
 * @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`
 * @throws ConfigurationError `ERR_MULTI_LABEL` where `multiLabel` and the columns do not fit each other
 */
export async function readAudioTable(file: string, options: AudioTablesOptions): Promise<AudioTableScan> {
  const { audioColumn = "audio", labelColumn = "label", root = dirname(file), multiLabel = false } = options;
  const { delimiter = extname(file) === ".tsv" ? "\t" : "," } = options;
  checkLabelColumns({ ...options, multiLabel, noun: SOUNDS });
  const [header = [], ...rows] = await readRows(file, delimiter);
  const audioAt = findColumn(file, header, audioColumn);
  const columns = typeof labelColumn === "string" ? [labelColumn] : labelColumn;
  const labelsAt = columns.map((name) => findColumn(file, header, name));
  const scan = { sources: [] as string[], classes: [] as string[][], badRows: [] as DataError[] };
  rows.forEach((cells, i) => {
    const row = i + 2;
    try {
      if (cells.length !== header.length) {
        throw new Error(`it has ${cells.length} columns, but the header has ${header.length}`);
      }
      const audio = cells[audioAt]!.trim();
      if (audio === "") throw new Error(`the column ${JSON.stringify(audioColumn)} is empty`);
      const names = labelsAt.map((at) => cells[at]!.trim());
      scan.classes.push(readClasses(names, columns, { ...options, multiLabel }));
      scan.sources.push(/^(https?|data|file):/i.test(audio) ? audio : resolve(root, audio));
    } catch (cause) {
      const message = `${file}, row ${row}: ${(cause as Error).message}.`;
      scan.badRows.push(new DataError("ERR_TABLE_ROW", message, { path: file, row, cause }));
    }
  });
  return scan;
}
