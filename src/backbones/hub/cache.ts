/**
 * The cache folder that all of Hugging Face's clients share (https://huggingface.co/docs/hub/local-cache): `blobs` holds
 * contents by their etag, `snapshots/<commit>` links names to them, `refs` says which commit a branch or tag was last seen at.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { Repository } from "./repository.js";

const COMMIT = /^[0-9a-f]{40}$/;
const FOLDER_PREFIX = "models--";
const SEPARATOR = "--";

/** Whether a revision is a commit, whose files never change. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** One repository's part of the cache. */
export class RepositoryCache {
  readonly #folder: string;
  readonly #locks: string;

  constructor(cacheDir: string, { id }: Pick<Repository, "id">) {
    const name = FOLDER_PREFIX + id.replace("/", SEPARATOR);
    this.#folder = join(cacheDir, name);
    this.#locks = join(cacheDir, ".locks", name);
  }

  blobPath(etag: string): string {
    return join(this.#folder, "blobs", etag);
  }

  /** Held while the blob is made. */
  lockPath(etag: string): string {
    return join(this.#locks, `${etag}.lock`);
  }

  snapshotPath(commit: string): string {
    return join(this.#folder, "snapshots", commit);
  }

  filePath(commit: string, file: string): string {
    return join(this.snapshotPath(commit), ...file.split("/"));
  }

  /** The commit that a revision was last seen at. */
  commitOf(revision: string): string | undefined {
    if (isCommit(revision)) return revision;
    try {
      const commit = readFileSync(join(this.#folder, "refs", revision), "utf8").trim();
      return isCommit(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  /** The path of a file at a revision, where it is in the cache. */
  find(revision: string, file: string): string | undefined {
    const commit = this.commitOf(revision);
    if (commit === undefined) return undefined;
    const path = this.filePath(commit, file);
    return existsSync(path) ? path : undefined;
  }

  /** The files of a snapshot that are there, with slashes. */
  files(commit: string): string[] {
    const folder = this.snapshotPath(commit);
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
      .filter((file) => existsSync(this.filePath(commit, file)));
  }

  /** Makes the folders that a download writes to. */
  async prepare(etag: string): Promise<void> {
    await mkdir(dirname(this.blobPath(etag)), { recursive: true });
    await mkdir(this.#locks, { recursive: true });
  }

  /** Notes the commit that a branch or tag is at. */
  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.#folder, "refs", ...revision.split("/"));
    if ((await readFile(path, "utf8").catch(() => undefined)) === commit) return;
    await mkdir(dirname(path), { recursive: true });
    const temporary = temporaryBeside(path);
    await writeFile(temporary, commit);
    await rename(temporary, path);
  }

  /** Gives a blob its name in a snapshot: by a relative link, or where links are not allowed by moving it there. */
  async link(etag: string, commit: string, file: string): Promise<string> {
    const path = this.filePath(commit, file);
    const blob = this.blobPath(etag);
    await mkdir(dirname(path), { recursive: true });
    const temporary = temporaryBeside(path);
    try {
      await symlink(relative(dirname(path), blob), temporary);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
      await rename(blob, path);
      return path;
    }
    await rename(temporary, path).catch(async (error: unknown) => {
      await rm(temporary, { force: true });
      throw error;
    });
    return path;
  }

  /** Notes that a commit has no such file, which tells Python's client not to ask again. */
  async writeMissing(commit: string, file: string): Promise<void> {
    const path = join(this.#folder, ".no_exist", commit, ...file.split("/"));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, "", { flag: "a" });
  }
}

/** The repository that a snapshot's folder belongs to: `organisation/name` for `…/models--organisation--name/snapshots/…`. */
export function repositoryOfSnapshot(folder: string): string | undefined {
  const [snapshots, name] = [dirname(folder), dirname(dirname(folder))].map((path) =>
    path.split(sep).at(-1)!,
  );
  if (snapshots !== "snapshots" || !name!.startsWith(FOLDER_PREFIX)) return undefined;
  return name!.slice(FOLDER_PREFIX.length).replace(SEPARATOR, "/");
}

function temporaryBeside(path: string): string {
  return `${path}.${randomUUID().slice(0, 8)}.tmp`;
}
