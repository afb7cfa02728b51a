/** Downloads from the Hugging Face hub into the cache that its other clients use. */
import { RepositoryCache } from "./cache.js";
import { findSnapshot, Hub, type FileChoice, type TransferOptions } from "./hub.js";
import type { DownloadProgressCallback } from "./file_progress.js";
import { parseRepository } from "./repository.js";
import { hubSettings, type HubOptions } from "./settings.js";

/** Options of `hubDownload`. */
export interface HubDownloadOptions extends HubOptions {
  /** Told how far each file is, such as `downloadProgressBar()`. */
  onProgress?: DownloadProgressCallback;
  /** Stops the download; what has arrived is kept for the next time. */
  signal?: AbortSignal;
}

/** Options of `snapshotDownload`. */
export interface SnapshotDownloadOptions extends HubDownloadOptions {
  /** Patterns of the files that are wanted, in which `*` stands for anything and `?` for one character. Default: all files. */
  allowPatterns?: readonly string[];
  /** Patterns of files that are not wanted. Default: none. */
  ignorePatterns?: readonly string[];
}

/**
 * Downloads one file of a model repository, unless the cache has its newest version. What was cut off goes on where it
 * stopped; a file is in the cache only once it is whole and its checksum is right.
 *
 * @param repository `organisation/name` or `organisation/name@revision`
 * @param file its path in the repository, such as `onnx/model.onnx`
 * @returns its path in the cache
 * @throws HubError `ERR_HUB_REPOSITORY`, `ERR_HUB_REVISION`, `ERR_HUB_FILE` for what is not there; `ERR_HUB_UNAUTHORIZED`,
 *   `ERR_HUB_GATED`, `ERR_HUB_FORBIDDEN` for what is not allowed; `ERR_HUB_RATE_LIMIT`, `ERR_HUB_SERVER`, `ERR_HUB_NETWORK`
 *   once no retry helped; `ERR_HUB_CHECKSUM`, `ERR_HUB_SIZE`, `ERR_HUB_RESPONSE` for what is not as announced;
 *   `ERR_HUB_DISK_FULL`; and `ERR_HUB_OFFLINE` where only the cache may be used
 * @throws ConfigurationError `ERR_HUB_ID`, `ERR_HUB_ENDPOINT`
 * @example
 * const path = await hubDownload("microsoft/resnet-18", "config.json");
 */
export async function hubDownload(
  repository: string,
  file: string,
  options: HubDownloadOptions = {},
): Promise<string> {
  const hub = new Hub(hubSettings(options));
  return hub.file(parseRepository(repository, options.revision), file, options);
}

/**
 * Downloads the files of a model repository, or some of them, all of the same commit.
 *
 * @param repository `organisation/name` or `organisation/name@revision`
 * @returns the folder with them
 * @throws HubError, ConfigurationError as `hubDownload`
 * @example
 * const folder = await snapshotDownload("microsoft/resnet-18", { allowPatterns: ["*.json", "*.safetensors"] });
 */
export async function snapshotDownload(
  repository: string,
  { allowPatterns = ["*"], ignorePatterns = [], ...options }: SnapshotDownloadOptions = {},
): Promise<string> {
  const allowed = allowPatterns.map(patternToRegExp);
  const ignored = ignorePatterns.map(patternToRegExp);
  return downloadChosen(
    repository,
    (files) =>
      files.filter((file) => allowed.some((p) => p.test(file)) && !ignored.some((p) => p.test(file))),
    options,
  );
}

/** Downloads the files of a snapshot that a function chooses. @throws as `hubDownload`, and what the choice throws */
export async function downloadChosen(
  repository: string,
  choose: FileChoice,
  options: HubOptions & TransferOptions = {},
): Promise<string> {
  const hub = new Hub(hubSettings(options));
  return hub.snapshot(parseRepository(repository, options.revision), choose, options);
}

/** The folder of a snapshot in the cache with every file that a function chooses, without asking the hub. */
export function cachedSnapshot(
  repository: string,
  choose: FileChoice,
  options: HubOptions = {},
): string | undefined {
  const parsed = parseRepository(repository, options.revision);
  return findSnapshot(new RepositoryCache(hubSettings(options).cacheDir, parsed), parsed, choose);
}

/** As Python's `fnmatch`, which its client matches files with: `*` crosses slashes; a folder stands for what is in it. */
function patternToRegExp(pattern: string): RegExp {
  const whole = pattern.endsWith("/") ? `${pattern}*` : pattern;
  const escaped = whole.replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
}
