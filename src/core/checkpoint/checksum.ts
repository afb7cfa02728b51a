/**
 * A checksum inside the file it is of: the SHA-256 of all its bytes, with zeros in the place of the checksum itself. It is
 * the first entry of a safetensors file's metadata, so that its place is known without reading the header.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

export const CHECKSUM_KEY = "kindling_sha256";
/** What stands there before the checksum is known. */
export const NO_CHECKSUM = "0".repeat(64);

const HEADER_START = 8;
const BEFORE = Buffer.from(`{"__metadata__":{"${CHECKSUM_KEY}":"`);
const PLACE = HEADER_START + BEFORE.length;
/** Bytes that are written and hashed at a time, so that other work gets its turn. */
const PIECE_BYTES = 2 ** 22;

/** Writes a file whose metadata begins with `NO_CHECKSUM`, and puts the checksum there. */
export async function writeWithChecksum(file: FileHandle, chunks: Iterable<Uint8Array>): Promise<void> {
  const hash = createHash("sha256");
  for (const chunk of chunks) {
    for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
      const piece = chunk.subarray(start, start + PIECE_BYTES);
      const writing = file.writeFile(piece);
      hash.update(piece);
      await writing;
    }
  }
  const digest = Buffer.from(hash.digest("hex"));
  await file.write(digest, 0, digest.length, PLACE);
}

/** Whether the bytes are those that were written; undefined where the file has no checksum. */
export function hasRightChecksum(file: Uint8Array): boolean | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!bytes.subarray(HEADER_START, PLACE).equals(BEFORE)) return undefined;
  const end = PLACE + NO_CHECKSUM.length;
  const hash = createHash("sha256").update(bytes.subarray(0, PLACE)).update(NO_CHECKSUM);
  for (let start = end; start < bytes.length; start += PIECE_BYTES) {
    hash.update(bytes.subarray(start, start + PIECE_BYTES));
  }
  return hash.digest("hex") === bytes.toString("latin1", PLACE, end);
}
