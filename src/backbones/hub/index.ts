/** The Hugging Face hub: repositories, downloads, and the cache on disk. */
export { repositoryOfSnapshot } from "./cache.js";
export {
  cachedSnapshot,
  downloadChosen,
  hubDownload,
  snapshotDownload,
  type HubDownloadOptions,
  type SnapshotDownloadOptions,
} from "./download.js";
export type { FileChoice } from "./hub.js";
export type { DownloadProgress, DownloadProgressCallback } from "./file_progress.js";
export { downloadProgressBar, type DownloadProgressBarOptions } from "./progress_bar.js";
export { looksLikeRepository } from "./repository.js";
export type { HubOptions } from "./settings.js";
