/** Fetches the bytes of a URL within a time and a size. */
import { DataError } from "../errors.js";
import { checkDecodeLimits } from "./decode_limits.js";

export interface DownloadOptions {
  /** Longest time for the whole download, in seconds; default 30. */
  timeoutSeconds?: number;
  /** Largest size of the download, in bytes; default 64 MiB. */
  maxBytes?: number;
}

/**
 * @throws DataError `ERR_DOWNLOAD_STATUS` (an HTTP status other than 2xx), `ERR_DOWNLOAD_TIMEOUT`, `ERR_DOWNLOAD_SIZE`,
 *   `ERR_DOWNLOAD_NETWORK` (everything else: no such host, refused, broken off)
 * @throws ConfigurationError `ERR_DECODE_OPTION`
 */
export async function download(url: URL, options: DownloadOptions = {}): Promise<Uint8Array> {
  const { timeoutSeconds = 30, maxBytes = 64 * 2 ** 20 } = options;
  checkDecodeLimits(options);
  const name = url.protocol === "data:" ? "the data: URL" : url.href;
  const signal = AbortSignal.timeout(Math.ceil(timeoutSeconds * 1000));
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) {
      const status = `${response.status} ${response.statusText}`.trim();
      await response.body?.cancel();
      throw new DataError("ERR_DOWNLOAD_STATUS", `${name} answered with the HTTP status ${status}.`, {
        path: name,
      });
    }
    return await readWithin(response, maxBytes, name);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    if (signal.aborted) {
      const message = `${name} did not arrive within ${timeoutSeconds} s. Raise \`timeoutSeconds\` or check the address.`;
      throw new DataError("ERR_DOWNLOAD_TIMEOUT", message, { path: name, cause });
    }
    throw new DataError("ERR_DOWNLOAD_NETWORK", `${name} could not be fetched: ${reason(cause)}.`, {
      path: name,
      cause,
    });
  }
}

async function readWithin(response: Response, maxBytes: number, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) {
      const message = `${name} is larger than ${maxBytes} bytes. Raise \`maxBytes\` if that is intended.`;
      throw new DataError("ERR_DOWNLOAD_SIZE", message, { path: name });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** fetch hides the reason ("fetch failed") in the cause. */
function reason(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = inner instanceof Error ? inner.message : String(inner);
  const code = inner instanceof Error && "code" in inner ? String(inner.code) : "";
  return message === "" ? code : message;
}
