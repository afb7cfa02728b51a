/** Gathers the samples of each part, from class folders or from tables, with what was left out on the way. */
import type { BadSamplePolicy } from "../data/index.js";
import { DataError } from "../errors.js";
import { checkDataOptions } from "./check_data_options.js";
import type { ClassificationDataOptions } from "./classification_data.js";
import { scanClassFolders, type SampleFiles } from "./class_folders.js";
import { badRowsError } from "./label_columns.js";
import { LABELED_PARTS, type LabeledParts, type LabeledSamples } from "./labeled_samples.js";

/** The parts of a data set. */
export type DataPart = "train" | "val" | "test" | "predict";

/** A file, row or sample that was left out, and why. */
export interface SkippedSample {
  part: DataPart;
  path: string;
  error: DataError;
}

/** What is gathered before the classes are known. */
export interface CollectedParts<Source> {
  parts: LabeledParts<Source>;
  predict?: readonly Source[] | undefined;
  skipped?: SkippedSample[];
  warnings?: string[];
}

/** What a table's rows say. */
export interface TableScan<Source> extends LabeledSamples<Source> {
  sources: Source[];
  /** Rows that cannot be used, with their numbers. */
  badRows: DataError[];
}

/** The samples in the sub-folders of each part's folder. @throws DataError as `scanClassFolders` does, ConfigurationError as `checkDataOptions` */
export async function collectFolders(
  folders: ClassificationDataOptions & Partial<Record<keyof LabeledParts, string>>,
  files: SampleFiles,
): Promise<CollectedParts<string> & { skipped: SkippedSample[]; warnings: string[] }> {
  checkDataOptions(folders);
  const { one, many } = files.noun;
  const parts: LabeledParts<string> = {};
  const skipped: SkippedSample[] = [];
  const warnings: string[] = [];
  for (const part of LABELED_PARTS) {
    const folder = folders[part];
    if (folder === undefined) continue;
    const { sources, classes, ignored, emptyClasses } = await scanClassFolders(folder, files);
    parts[part] = { sources, classes };
    skipped.push(...ignored.map((error) => ({ part, path: error.path!, error })));
    if (ignored.length > 0) {
      warnings.push(`${ignored.length} files in ${folder} are no ${many} of a class and were ignored.`);
    }
    for (const name of emptyClasses) {
      warnings.push(`The class folder ${JSON.stringify(name)} in ${folder} holds no ${one} and is no class.`);
    }
  }
  return { parts, skipped, warnings };
}

/**
 * The samples that the rows of each part's table name.
 *
 * @param none the code of the error for a table without a row that can be used
 * @throws DataError `none`, `ERR_TABLE_ROW` listing the rows that cannot be used, and as `read`
 */
export async function collectTables<Source>(
  files: ClassificationDataOptions & Partial<Record<DataPart, string>>,
  { onBadSample = "error", none }: { onBadSample?: BadSamplePolicy | undefined; none: string },
  read: (part: DataPart, file: string) => Promise<TableScan<Source>>,
): Promise<CollectedParts<Source>> {
  checkDataOptions(files);
  const skipped: SkippedSample[] = [];
  const warnings: string[] = [];
  const parts: Partial<Record<DataPart, LabeledSamples<Source>>> = {};
  for (const part of [...LABELED_PARTS, "predict"] as const) {
    const file = files[part];
    if (file === undefined) continue;
    const { badRows, ...samples } = await read(part, file);
    if (onBadSample === "error" && badRows.length > 0) throw badRowsError(file, badRows);
    for (const error of badRows) skipped.push({ part, path: file, error });
    if (badRows.length > 0) warnings.push(`${badRows.length} rows of ${file} were left out.`);
    if (samples.sources.length === 0) {
      throw new DataError(none, `${file} has no row that can be used.`, { path: file });
    }
    parts[part] = samples;
  }
  const { predict, ...labeled } = parts;
  return { parts: labeled, predict: predict?.sources, skipped, warnings };
}
