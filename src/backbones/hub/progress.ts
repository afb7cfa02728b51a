/** How far downloads are, told to a callback. */

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
}

/** Called as bytes arrive, and a last time when a file is complete; not for files that are in the cache already. */
export type DownloadProgressCallback = (progress: DownloadProgress) => void;
