/** The Hugging Face hub with its cache: what is in the cache is not downloaded again, what is downloaded goes there. */
import { HubError } from "../../errors.js";
import { warnOnce } from "../../warn.js";
import { downloadBlob } from "./blob.js";
import { isCommit, RepositoryCache } from "./cache.js";
import { HubConnection, type ConnectionOptions } from "./connection.js";
import { fetchListing, fetchMetadata, fileUrl, missingFile, type FileMetadata } from "./metadata.js";
import { FileProgress, type DownloadProgressCallback } from "./file_progress.js";
import type { Repository } from "./repository.js";
import type { HubSettings } from "./settings.js";

/** How one download goes. */
export interface TransferOptions {
  /** Told how far each file is. */
  onProgress?: DownloadProgressCallback | undefined;
  /** Stops the download; what has arrived is kept for the next time. */
  signal?: AbortSignal | undefined;
}

/** Chooses the files that are wanted out of those of a snapshot; throws where one that is needed is not there. */
export type FileChoice = (files: readonly string[]) => readonly string[];

const PARALLEL_DOWNLOADS = 4;
/** Failures that say nothing of the repository, so that what is in the cache may stand for it. */
const UNREACHABLE = ["ERR_HUB_NETWORK", "ERR_HUB_SERVER", "ERR_HUB_RATE_LIMIT"];

/** A hub as some settings see it. */
export class Hub {
  readonly #settings: HubSettings;
  readonly #connection: HubConnection;

  constructor(settings: HubSettings, connectionOptions?: ConnectionOptions) {
    this.#settings = settings;
    this.#connection = new HubConnection(settings, connectionOptions);
  }

  /** The path of a file in the cache, where it is after this. */
  async file(repository: Repository, file: string, options: TransferOptions = {}): Promise<string> {
    const cache = this.#cache(repository);
    const cached = cache.find(repository.revision, file);
    return this.#get(repository, cached, file, (retries) =>
      this.#download(cache, repository, file, { ...options, retries }),
    );
  }

  /** The folder of a snapshot in the cache, which has the chosen files after this. */
  async snapshot(repository: Repository, choose: FileChoice, options: TransferOptions = {}): Promise<string> {
    const cache = this.#cache(repository);
    const cached = findSnapshot(cache, repository, choose);
    return this.#get(repository, cached, undefined, async (retries) => {
      const request = { signal: options.signal, retries };
      const { commit, files } = await fetchListing(
        this.#connection,
        this.#settings.endpoint,
        repository,
        request,
      );
      await this.#downloadAll({ ...repository, revision: commit }, choose(files), options);
      // Last, so that a snapshot that was cut off does not stand for the branch when there is no network.
      await cache.writeRef(repository.revision, commit);
      return cache.snapshotPath(commit);
    });
  }

  #cache(repository: Repository): RepositoryCache {
    return new RepositoryCache(this.#settings.cacheDir, repository);
  }

  /** What is in the cache, where it cannot have changed or the hub may not or cannot be asked; else what the hub has. */
  async #get(
    { id, revision }: Repository,
    cached: string | undefined,
    file: string | undefined,
    online: (retries: number | undefined) => Promise<string>,
  ): Promise<string> {
    // A file of a commit never changes; a snapshot in the cache may lack files that another client did not ask for.
    const isFinal = file !== undefined && isCommit(revision);
    if (cached !== undefined && (this.#settings.localFilesOnly || isFinal)) return cached;
    if (this.#settings.localFilesOnly) {
      throw new HubError(
        "ERR_HUB_OFFLINE",
        `${file === undefined ? id : `${file} of ${id}`} at revision ${revision} is not in the cache ${this.#settings.cacheDir}, ` +
          "and the hub may not be asked (HF_HUB_OFFLINE or `localFilesOnly`). Download it once with HF_HUB_OFFLINE=0, or copy " +
          "the cache folder from another machine.",
      );
    }
    try {
      return await online(cached === undefined ? undefined : 0);
    } catch (error) {
      if (cached === undefined || !(error instanceof HubError) || !UNREACHABLE.includes(error.code))
        throw error;
      warnOnce("HUB_UNREACHABLE", `${error.message} What the cache has of ${id} is used instead.`);
      return cached;
    }
  }

  async #download(
    cache: RepositoryCache,
    repository: Repository,
    file: string,
    { onProgress, signal, retries }: TransferOptions & { retries: number | undefined },
  ): Promise<string> {
    const { commit, etag, size } = await this.#metadata(cache, repository, file, { signal, retries });
    if (cache.find(commit, file) === undefined) {
      await cache.prepare(etag);
      const progress = new FileProgress(repository.id, file, onProgress);
      await progress.over(
        downloadBlob({
          connection: this.#connection,
          repository,
          file,
          url: fileUrl(this.#settings.endpoint, { ...repository, revision: commit }, file),
          etag,
          size,
          blobPath: cache.blobPath(etag),
          lockPath: cache.lockPath(etag),
          onProgress: (loadedBytes, totalBytes) => progress.update(loadedBytes, totalBytes),
          signal,
        }),
      );
      await cache.link(etag, commit, file);
    }
    await cache.writeRef(repository.revision, commit);
    return cache.filePath(commit, file);
  }

  async #metadata(
    cache: RepositoryCache,
    repository: Repository,
    file: string,
    request: { signal: AbortSignal | undefined; retries: number | undefined },
  ): Promise<FileMetadata> {
    const { endpoint } = this.#settings;
    try {
      return await fetchMetadata(this.#connection, endpoint, repository, file, request);
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== "ERR_HUB_FILE" || error.status === undefined)
        throw error;
      const listing = await fetchListing(this.#connection, endpoint, repository, request).catch(
        () => undefined,
      );
      if (listing === undefined) throw error;
      await cache.writeMissing(listing.commit, file);
      throw missingFile(error, file, listing.files);
    }
  }

  /** A few files at a time; the first failure stops the others. */
  async #downloadAll(
    repository: Repository,
    files: readonly string[],
    options: TransferOptions,
  ): Promise<void> {
    const queue = [...files];
    const failure = new AbortController();
    const signals = [failure.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const work = async (): Promise<void> => {
      try {
        for (let file = queue.shift(); file !== undefined; file = queue.shift())
          await this.file(repository, file, { ...options, signal: AbortSignal.any(signals) });
      } catch (error) {
        failure.abort(error);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_DOWNLOADS }, work));
    failure.signal.throwIfAborted();
  }
}

/** The folder of a cached snapshot with every file that is wanted. */
export function findSnapshot(
  cache: RepositoryCache,
  { revision }: Repository,
  choose: FileChoice,
): string | undefined {
  const commit = cache.commitOf(revision);
  if (commit === undefined) return undefined;
  try {
    return choose(cache.files(commit)).length > 0 ? cache.snapshotPath(commit) : undefined;
  } catch {
    return undefined;
  }
}
