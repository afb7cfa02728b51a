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
export type { DownloadProgress, DownloadProgressCallback } from "./progress.js";
export { looksLikeRepository } from "./repository.js";
export type { HubOptions } from "./settings.js";
