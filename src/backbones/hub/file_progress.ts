/** How far the download of a file is, told to a callback. */

/** How much of one file is there. */
export interface DownloadProgress {
  /** The repository, `organisation/name`. */
  repository: string;
  /** The file's path in the repository. */
  file: string;
  /** Bytes that are there, those of an earlier attempt included. */
  loadedBytes: number;
  /** Bytes that the whole file has. */
  totalBytes: number;
  /** `done` and `failed` are said once, and last. */
  state: "downloading" | "done" | "failed";
}

/** Called as bytes arrive, and a last time when a file has its end; not for files that are in the cache already. */
export type DownloadProgressCallback = (progress: DownloadProgress) => void;

/** Tells of one file from its first byte to its end, however that comes. */
export class FileProgress {
  readonly #file: Pick<DownloadProgress, "repository" | "file">;
  readonly #callback: DownloadProgressCallback | undefined;
  /** The bytes that were last told of; undefined before the first. */
  #last: { loadedBytes: number; totalBytes: number } | undefined;

  constructor(repository: string, file: string, callback: DownloadProgressCallback | undefined) {
    this.#file = { repository, file };
    this.#callback = callback;
  }

  update(loadedBytes: number, totalBytes: number): void {
    this.#last = { loadedBytes, totalBytes };
    this.#tell("downloading");
  }

  /** Waits for the download and tells how it ended. */
  async over(download: Promise<void>): Promise<void> {
    try {
      await download;
      this.#tell("done");
    } catch (error) {
      this.#tell("failed");
      throw error;
    }
  }

  #tell(state: DownloadProgress["state"]): void {
    if (this.#last !== undefined) this.#callback?.({ ...this.#file, ...this.#last, state });
  }
}
