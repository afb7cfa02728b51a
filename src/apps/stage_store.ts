/**
 * The results of stages on disk. Each stage has a folder, and in it one for each set of inputs that it ran with; a result counts from
 * the moment at which its `result.json` is there, which is written last and all at once.
 */
import { mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { writeFileAtomically } from "../atomic_write.js";
import { PipelineError } from "../errors.js";
import { hashValue } from "./content_hash.js";
import { filesIn, hashFiles } from "./input_files.js";
import type { StageOutput } from "./stage.js";

/** What `result.json` holds. */
interface SavedResult {
  format: 1;
  stage: string;
  version: string | number;
  /** The hash of each input. */
  inputs: Record<string, string>;
  result: unknown;
  /** The hash of each file that the stage wrote, by its path in `files`. */
  files: Record<string, string>;
  attempts: number;
  startedAt: string;
  endedAt: string;
}

/** A result that can be used. */
export interface StoredResult {
  output: StageOutput;
  /** What the stages after this one depend on: equal results are equal, whenever they were computed. */
  hash: string;
}

/** What a stage is about to run with. */
export interface StageKey {
  stage: string;
  version: string | number;
  inputs: Record<string, string>;
}

/** Results of a stage that are kept: the newest one, and those before. */
const KEPT = 3;

export class StageStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = join(folder, "stages");
  }

  /** @returns undefined where the stage has not finished with these inputs, or its files have changed since */
  async find(key: StageKey): Promise<StoredResult | undefined> {
    const saved = await this.#read(this.#place(key));
    if (saved === undefined) return undefined;
    const files = await this.#hashOutput(join(this.#place(key), "files"));
    if (!isDeepStrictEqual(files, saved.files)) return undefined;
    return this.#stored(key, saved);
  }

  /** An empty folder for files, and one that is as the last attempt left it. */
  async prepare(key: StageKey): Promise<{ folder: string; scratch: string; log: string }> {
    const place = this.#place(key);
    const [folder, scratch] = [join(place, "files"), join(place, "scratch")];
    // The result first: it must not stand beside files of another attempt.
    await rm(join(place, "result.json"), { force: true });
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await mkdir(scratch, { recursive: true });
    return { folder, scratch, log: join(place, "log.txt") };
  }

  /** @throws PipelineError `ERR_PIPELINE_RESULT` for a result that JSON cannot hold */
  async save(
    key: StageKey,
    result: unknown,
    run: Pick<SavedResult, "attempts" | "startedAt" | "endedAt">,
  ): Promise<StoredResult> {
    const place = this.#place(key);
    const folder = join(place, "files");
    for (const path of await filesIn(folder)) await sync(path);
    const files = await this.#hashOutput(folder);
    const saved: SavedResult = { format: 1, ...key, result: requireJson(key.stage, result), files, ...run };
    await writeFileAtomically(join(place, "result.json"), `${JSON.stringify(saved, undefined, 2)}\n`);
    await rm(join(place, "scratch"), { recursive: true, force: true });
    await this.#removeOld(key.stage);
    return this.#stored(key, saved);
  }

  #place(key: StageKey): string {
    return join(this.#folder, key.stage, hashValue(key).slice(0, 16));
  }

  #stored(key: StageKey, { result, files }: SavedResult): StoredResult {
    return {
      output: { result, folder: join(this.#place(key), "files") },
      hash: hashValue({ result, files }),
    };
  }

  async #read(place: string): Promise<SavedResult | undefined> {
    try {
      return JSON.parse(await readFile(join(place, "result.json"), "utf8")) as SavedResult;
    } catch {
      return undefined;
    }
  }

  async #hashOutput(folder: string): Promise<Record<string, string>> {
    const paths = (await filesIn(folder)).sort();
    const hashes = await hashFiles(paths);
    return Object.fromEntries(paths.map((path, i) => [relative(folder, path), hashes[i]!]));
  }

  async #removeOld(stage: string): Promise<void> {
    const folder = join(this.#folder, stage);
    const places = (await readdir(folder)).map((name) => join(folder, name));
    const results = await Promise.all(
      places.map(async (place) => ({ place, saved: await this.#read(place) })),
    );
    const newestFirst = results
      .map(({ place, saved }) => ({ place, endedAt: saved?.endedAt ?? "" }))
      .sort((a, b) => b.endedAt.localeCompare(a.endedAt));
    for (const { place } of newestFirst.slice(KEPT)) await rm(place, { recursive: true, force: true });
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The value as it comes back from JSON, which must be the same. */
function requireJson(stage: string, result: unknown): unknown {
  const text = JSON.stringify(result) as string | undefined;
  const plain: unknown = text === undefined ? undefined : JSON.parse(text);
  if (isDeepStrictEqual(plain, withoutUndefined(result))) return plain;
  throw new PipelineError(
    "ERR_PIPELINE_RESULT",
    `The stage ${JSON.stringify(stage)} returned what JSON cannot hold, and what the next run could not give back. Return plain ` +
      "objects, arrays, strings, finite numbers, booleans and null, and write the rest to files in context.folder.",
  );
}

/** A field that is undefined is as good as none. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutUndefined(field)]));
}
