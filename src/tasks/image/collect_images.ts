/** Gathers the pictures of each part, from folders or from tables, with what was left out on the way. */
import type { ImageSource } from "../../data/index.js";
import { DataError } from "../../errors.js";
import { scanClassFolders } from "../class_folders.js";
import { badRowsError } from "../label_columns.js";
import { LABELED_PARTS, type LabeledParts } from "../labeled_samples.js";
import type { ImageFoldersOptions, ImageTablesOptions } from "./image_data_options.js";
import { PICTURE_FILES } from "./image_sources.js";
import { readImageTable } from "./image_table.js";

/** The parts of a data set. */
export type ImagePart = "train" | "val" | "test" | "predict";

/** A file, row or picture that was left out, and why. */
export interface SkippedImage {
  part: ImagePart;
  path: string;
  error: DataError;
}

/** What is gathered before the classes are known. */
export interface CollectedImages {
  parts: LabeledParts<ImageSource>;
  predict?: readonly ImageSource[] | undefined;
  skipped?: SkippedImage[];
  warnings?: string[];
}

/** The pictures in the sub-folders of each part's folder. @throws DataError as `scanClassFolders` does */
export async function collectFolders(options: ImageFoldersOptions): Promise<CollectedImages> {
  const collected: Required<CollectedImages> = { parts: {}, predict: [], skipped: [], warnings: [] };
  for (const part of LABELED_PARTS) {
    const folder = options[part];
    if (folder === undefined) continue;
    const scan = await scanClassFolders(folder, PICTURE_FILES);
    collected.parts[part] = scan;
    collected.skipped.push(...scan.ignored.map((error) => ({ part, path: error.path!, error })));
    if (scan.ignored.length > 0) {
      collected.warnings.push(
        `${scan.ignored.length} files in ${folder} are no pictures of a class and were ignored.`,
      );
    }
    for (const name of scan.emptyClasses) {
      collected.warnings.push(
        `The class folder ${JSON.stringify(name)} in ${folder} holds no picture and is no class.`,
      );
    }
  }
  return collected;
}

/** The pictures that the rows of each part's table name. @throws DataError `ERR_TABLE_ROW`, `ERR_NO_IMAGES`, and as `readImageTable` does */
export async function collectTables(options: ImageTablesOptions): Promise<CollectedImages> {
  const { multiLabel = false, onBadSample = "error" } = options;
  const collected: Required<CollectedImages> = { parts: {}, predict: [], skipped: [], warnings: [] };
  const read = async (part: ImagePart, file: string) => {
    const scan = await readImageTable(file, { ...options, multiLabel, withTargets: part !== "predict" });
    if (onBadSample === "error" && scan.badRows.length > 0) throw badRowsError(file, scan.badRows);
    collected.skipped.push(...scan.badRows.map((error) => ({ part, path: file, error })));
    if (scan.badRows.length > 0)
      collected.warnings.push(`${scan.badRows.length} rows of ${file} were left out.`);
    if (scan.sources.length === 0) {
      throw new DataError("ERR_NO_IMAGES", `${file} has no row that can be used.`, { path: file });
    }
    return scan;
  };
  for (const part of LABELED_PARTS) {
    const file = options[part];
    if (file !== undefined) collected.parts[part] = await read(part, file);
  }
  const predict = options.predict === undefined ? undefined : await read("predict", options.predict);
  return { ...collected, predict: predict?.sources };
}
