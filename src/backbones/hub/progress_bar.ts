/** Shows downloads: a bar for each file in a terminal, lines elsewhere. */
import cliProgress from "cli-progress";
import type { DownloadProgressCallback } from "./file_progress.js";

/** Options of `downloadProgressBar`. */
export interface DownloadProgressBarOptions {
  /** Default: standard error. A stream with `isTTY` gets bars, another a line for each file. */
  stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * Shows each file that is downloaded as a bar in a terminal, as lines elsewhere.
 *
 * @example
 * await downloadBackbone("dinov2_small", { onProgress: downloadProgressBar() });
 */
export function downloadProgressBar({
  stream = process.stderr,
}: DownloadProgressBarOptions = {}): DownloadProgressCallback {
  return stream.isTTY === true ? terminalBars(stream) : plainLines(stream);
}

function terminalBars(stream: NodeJS.WritableStream): DownloadProgressCallback {
  const bars = new Map<string, { bar: cliProgress.SingleBar; begun: number; firstBytes: number }>();
  let all: cliProgress.MultiBar | undefined;
  return ({ repository, file, loadedBytes, totalBytes, state }) => {
    // Signals and the cursor stay the program's.
    all ??= new cliProgress.MultiBar({
      stream,
      format: "{file} [{bar}] {loaded} of {all}, {speed}/s",
      barsize: 24,
      gracefulExit: false,
      linewrap: null,
      forceRedraw: true,
      emptyOnZero: true,
    });
    const key = `${repository}/${file}`;
    const entry = bars.get(key) ?? {
      bar: all.create(totalBytes, 0, { file, loaded: "", all: "", speed: "" }),
      begun: performance.now(),
      firstBytes: loadedBytes,
    };
    bars.set(key, entry);
    const seconds = Math.max(0.001, (performance.now() - entry.begun) / 1000);
    entry.bar.update(loadedBytes, {
      file,
      loaded: formatBytes(loadedBytes),
      all: formatBytes(totalBytes),
      speed: formatBytes((loadedBytes - entry.firstBytes) / seconds),
    });
    if (state === "downloading") return;
    bars.delete(key);
    if (bars.size > 0) return;
    all.stop();
    all = undefined;
  };
}

function plainLines(stream: NodeJS.WritableStream): DownloadProgressCallback {
  const begun = new Set<string>();
  return ({ repository, file, loadedBytes, totalBytes, state }) => {
    const key = `${repository}/${file}`;
    if (!begun.has(key)) stream.write(`Downloading ${file} of ${repository}, ${formatBytes(totalBytes)}\n`);
    begun.add(key);
    if (state === "downloading") return;
    begun.delete(key);
    const end = state === "done" ? "Downloaded" : `Stopped after ${formatBytes(loadedBytes)} of`;
    stream.write(`${end} ${file} of ${repository}\n`);
  };
}

function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
