/** Checks a file against the etag that the hub gives it. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

/**
 * Whether a file's content is the one of an etag: the SHA-256 of large files (64 hexadecimal digits), git's SHA-1 of a blob
 * for small ones (40). Other etags, which a mirror may give, say nothing of the content.
 */
export async function matchesEtag(path: string, etag: string): Promise<boolean> {
  const isGitBlob = /^[0-9a-f]{40}$/.test(etag);
  if (!isGitBlob && !/^[0-9a-f]{64}$/.test(etag)) return true;
  const hash = createHash(isGitBlob ? "sha1" : "sha256");
  if (isGitBlob) hash.update(`blob ${(await stat(path)).size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex") === etag;
}
