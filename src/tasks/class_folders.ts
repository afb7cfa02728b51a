/** Finds files in folders that are named after their classes. */
import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { compareNaturally } from "../data/index.js";
import { DataError } from "../errors.js";
import type { LabeledSamples, SampleNoun } from "./labeled_samples.js";

/** What is looked for, and how errors call it. */
export interface FileKind {
  noun: SampleNoun;
  /** Endings of files, without the dot, in lower case. */
  extensions: readonly string[];
  /** Where there is none; where one lies in no class folder; where a file has another ending. */
  codes: { none: string; outside: string; extension: string };
}

export interface FolderScan extends LabeledSamples<string> {
  sources: string[];
  /** Files that are not taken for samples, each with the reason. */
  ignored: DataError[];
  /** Class folders without a sample. */
  emptyClasses: string[];
}

/**
 * The sub-folders of a folder are its classes; samples may lie in folders within them. Names that start with a dot are
 * passed over. Classes and files are in natural order.
 *
 * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_CLASS_FOLDERS`, and the codes of the kind
 */
export async function scanClassFolders(folder: string, kind: FileKind): Promise<FolderScan> {
  const { noun, extensions, codes } = kind;
  const top = await list(folder);
  const scan: FolderScan = { sources: [], classes: [], ignored: [], emptyClasses: [] };
  const classes: string[][] = [];
  for (const path of top.files) {
    scan.ignored.push(
      new DataError(codes.outside, `${path} lies in no class folder and is ignored.`, { path }),
    );
  }
  if (top.folders.length === 0) {
    throw new DataError(
      "ERR_NO_CLASS_FOLDERS",
      `${folder} has no sub-folders (and ${top.files.length} files). Expected one sub-folder of ${noun.many} for each class.`,
      { path: folder },
    );
  }
  for (const name of top.folders) {
    const before = scan.sources.length;
    await collect(join(folder, name), scan, kind);
    classes.push(...scan.sources.slice(before).map(() => [name]));
    if (scan.sources.length === before) scan.emptyClasses.push(name);
  }
  if (scan.sources.length === 0) {
    throw new DataError(
      codes.none,
      `${folder} holds no ${noun.one} in its ${top.folders.length} sub-folders. Expected files ending in ${extensions.join(", ")}.`,
      { path: folder },
    );
  }
  return { ...scan, classes };
}

async function collect(folder: string, scan: FolderScan, kind: FileKind): Promise<void> {
  const { extensions, codes } = kind;
  const { files, folders } = await list(folder);
  for (const path of files) {
    const extension = extname(path).slice(1).toLowerCase();
    if (extensions.includes(extension)) scan.sources.push(path);
    else {
      const message = `${path} is ignored: its ending is none of ${extensions.join(", ")}.`;
      scan.ignored.push(new DataError(codes.extension, message, { path }));
    }
  }
  for (const name of folders) await collect(join(folder, name), scan, kind);
}

/** Paths of the files and names of the folders in a folder; links are followed. */
async function list(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const problem = missing
      ? "does not exist"
      : `cannot be read as a folder (${String((cause as Error).message)})`;
    throw new DataError("ERR_FOLDER_MISSING", `The folder ${folder} ${problem}.`, { path: folder, cause });
  });
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of entries.filter(({ name }) => !name.startsWith("."))) {
    const path = join(folder, entry.name);
    const target = entry.isSymbolicLink() ? await stat(path).catch(() => entry) : entry;
    if (target.isDirectory()) folders.push(entry.name);
    else files.push(path);
  }
  return { files: files.sort(compareNaturally), folders: folders.sort(compareNaturally) };
}
