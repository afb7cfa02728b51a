/** Files as an input of a stage: their names and contents decide whether it runs again. */
import { stat } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { escapePath, glob } from "tinyglobby";
import { PipelineError } from "../errors.js";
import { hashFile, hashValue } from "./content_hash.js";

/** Files that a stage depends on. `inputFiles` makes it. */
export class InputFiles {
  readonly patterns: readonly string[];
  /** The absolute path of the folder that relative patterns begin at. */
  readonly cwd: string;

  /** @internal */
  constructor(patterns: readonly string[], cwd: string) {
    this.patterns = patterns;
    this.cwd = resolve(cwd);
  }
}

/**
 * Declares files as an input of a stage, which gets their absolute paths, sorted.
 *
 * @param patterns files, folders (with all that is in them) and patterns such as `photos/**\/*.jpg`
 * @param options.cwd what relative ones begin at. Default: the working directory
 */
export function inputFiles(
  patterns: string | readonly string[],
  { cwd = process.cwd() }: { cwd?: string } = {},
): InputFiles {
  return new InputFiles([patterns].flat(), cwd);
}

/** Contents of files are hashed a few at a time. */
const AT_ONCE = 8;

/**
 * @param name what to call the input in errors
 * @throws PipelineError `ERR_PIPELINE_INPUT` for a file or folder that is not there
 */
export async function readInputFiles(
  { patterns, cwd }: InputFiles,
  name: string,
): Promise<{ paths: string[]; hash: string }> {
  const found = await Promise.all(patterns.map((pattern) => expand(pattern, cwd, name)));
  const paths = [...new Set(found.flat())].sort();
  const hashes = await hashFiles(paths);
  const hash = hashValue(paths.map((path, i) => [relative(cwd, path), hashes[i]!]));
  return { paths, hash };
}

/** The contents' hashes, in the order of the paths. */
export async function hashFiles(paths: readonly string[]): Promise<string[]> {
  const hashes: string[] = [];
  const queue = paths.entries();
  const work = async () => {
    for (const [i, path] of queue) hashes[i] = await hashFile(path);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return hashes;
}

async function expand(pattern: string, cwd: string, name: string): Promise<string[]> {
  const path = resolve(cwd, pattern);
  const status = await stat(path).catch(() => undefined);
  if (status?.isFile()) return [path];
  if (status?.isDirectory()) return filesIn(path);
  if (/[*?[\]{}!]/.test(pattern)) return glob(pattern, { cwd, absolute: true, dot: true });
  throw new PipelineError(
    "ERR_PIPELINE_INPUT",
    `${name} names ${path}, which is not there. Correct the path, or make it a pattern.`,
  );
}

/** Every file below a folder, as absolute paths. */
export async function filesIn(folder: string): Promise<string[]> {
  return glob("**", { cwd: escapePath(folder), absolute: true, dot: true });
}
