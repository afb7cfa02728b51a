/** Downloads one content into the cache: under another name until it is whole and checked, and on from where it stopped. */
import { randomUUID } from "node:crypto";
import { open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Response } from "undici";
import { HubError } from "../../errors.js";
import { matchesEtag } from "./checksum.js";
import type { HubConnection } from "./connection.js";
import { withFileLock } from "../../file_lock.js";
import type { Repository } from "./repository.js";

/** A content that is wanted, and where it goes. */
export interface BlobDownload {
  readonly connection: HubConnection;
  readonly repository: Repository;
  readonly file: string;
  readonly url: string;
  readonly etag: string;
  /** In bytes; undefined where the server does not say. */
  readonly size: number | undefined;
  readonly blobPath: string;
  readonly lockPath: string;
  /** Told the bytes that are there, and those of the whole. */
  readonly onProgress: (loadedBytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Returns once the blob is there. Who holds the lock writes to `<blob>.incomplete`, which a later call goes on with; without
 * locks each process writes to a file of its own.
 *
 * @throws HubError `ERR_HUB_CHECKSUM`, `ERR_HUB_SIZE`, `ERR_HUB_DISK_FULL`, `ERR_HUB_NETWORK`, and those of `HubConnection.request`
 */
export async function downloadBlob(download: BlobDownload): Promise<void> {
  const { blobPath, lockPath, signal } = download;
  await withFileLock(
    lockPath,
    async (held) => {
      const present = await sizeOf(blobPath);
      if (present !== undefined && present === (download.size ?? present)) return;
      const partial = held ? `${blobPath}.incomplete` : `${blobPath}.${randomUUID().slice(0, 8)}.incomplete`;
      try {
        await complete(download, partial);
      } finally {
        if (!held) await rm(partial, { force: true });
      }
    },
    signal,
  );
}

async function complete(download: BlobDownload, partial: string): Promise<void> {
  const begun = (await sizeOf(partial)) ?? 0;
  await fill(download, partial);
  if (!(await matchesEtag(partial, download.etag))) {
    await rm(partial, { force: true });
    // What an earlier attempt left may be at fault: the whole file once more tells.
    if (begun > 0) return complete(download, partial);
    throw new HubError(
      "ERR_HUB_CHECKSUM",
      `${download.file} of ${download.repository.id} arrived whole but with another checksum than the hub's ${download.etag}. ` +
        "It was deleted. Try again; if it happens again, something between here and the hub changes what is downloaded.",
    );
  }
  await rename(partial, download.blobPath);
}

/** Appends to the partial file until it is whole, over as many requests as that takes. */
async function fill(download: BlobDownload, partial: string): Promise<void> {
  const { connection, size, signal } = download;
  await checkSpace(download, (await sizeOf(partial)) ?? 0);
  for (let failures = 0; ;) {
    const begun = (await sizeOf(partial)) ?? 0;
    if (begun > 0 && begun === size) return;
    if (size !== undefined && begun > size) {
      await rm(partial);
      continue;
    }
    const response = await requestFrom(download, begun);
    if (response === undefined) {
      await rm(partial);
      continue;
    }
    try {
      await append(download, partial, response, begun);
      return;
    } catch (error) {
      if (error instanceof HubError) throw error;
      signal?.throwIfAborted();
      failures = ((await sizeOf(partial)) ?? 0) > begun ? 0 : failures + 1;
      if (failures > connection.retries) throw connection.networkError(download.url, error);
      await connection.pause(failures, signal);
    }
  }
}

/** The response with the bytes from `begun` on; undefined where the server cannot go on from there. */
async function requestFrom(download: BlobDownload, begun: number): Promise<Response | undefined> {
  const { connection, url, repository, file, signal } = download;
  const headers: Record<string, string> = begun > 0 ? { range: `bytes=${begun}-` } : {};
  try {
    return await connection.request(url, { repository, file }, { headers, signal });
  } catch (error) {
    if (error instanceof HubError && error.status === 416 && begun > 0) return undefined;
    throw error;
  }
}

async function append(
  download: BlobDownload,
  partial: string,
  response: Response,
  begun: number,
): Promise<void> {
  const { size, onProgress } = download;
  // A server may ignore the range (200), or answer with another: then the file begins anew.
  const goesOn = begun > 0 && response.status === 206 && rangeStart(response) === begun;
  if (!goesOn && response.status === 206 && (rangeStart(response) ?? 0) !== 0) {
    await response.body?.cancel();
    throw new HubError(
      "ERR_HUB_RESPONSE",
      `${new URL(download.url).host} sent another part of ${download.file} than was asked for. Try again.`,
    );
  }
  let loaded = goesOn ? begun : 0;
  const announced = Number(response.headers.get("content-length") ?? NaN);
  const total = size ?? (Number.isNaN(announced) ? undefined : loaded + announced);
  const handle = await open(partial, goesOn ? "a" : "w");
  try {
    for await (const chunk of response.body ?? []) {
      const bytes = chunk as Uint8Array;
      loaded += bytes.length;
      if (total !== undefined && loaded > total) throw await tooLong(download, partial, total);
      await handle.write(bytes);
      onProgress(loaded, total ?? loaded);
    }
    await handle.sync();
  } catch (error) {
    throw isDiskFull(error) ? diskFull(download, loaded, error) : error;
  } finally {
    await handle.close();
  }
  if (loaded === 0) onProgress(0, total ?? 0);
  if (total !== undefined && loaded < total)
    throw new Error(`the connection ended after ${loaded} of ${total} bytes`);
}

async function tooLong(
  { file, repository }: BlobDownload,
  partial: string,
  total: number,
): Promise<HubError> {
  await rm(partial, { force: true });
  return new HubError(
    "ERR_HUB_SIZE",
    `${file} of ${repository.id} is longer than the ${total} bytes that the hub announced. It was deleted. Try again.`,
  );
}

function rangeStart(response: Response): number | undefined {
  const start = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

async function checkSpace(download: BlobDownload, present: number): Promise<void> {
  if (download.size === undefined) return;
  const { bavail, bsize } = await statfs(dirname(download.blobPath));
  if (bavail * bsize < download.size - present) throw diskFull(download, present);
}

function diskFull(
  { file, repository, size, blobPath }: BlobDownload,
  loaded: number,
  cause?: unknown,
): HubError {
  const needed = size === undefined ? "" : ` Another ${((size - loaded) / 1e6).toFixed(1)} MB are needed.`;
  return new HubError(
    "ERR_HUB_DISK_FULL",
    `There is not enough room for ${file} of ${repository.id} in ${dirname(blobPath)}.${needed} Make room there, or choose ` +
      "another cache folder with HF_HOME, HF_HUB_CACHE or the option `cacheDir`.",
    { cause },
  );
}

function isDiskFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}
