/** Finds out why a picture could not be decoded, and says so with a stable code. */
import { access, constants, open, stat } from "node:fs/promises";
import { DataError } from "../../errors.js";
import { describeSource, type LocalSource, type ResolvedSource } from "./source.js";

/** First bytes of the formats that are decoded, as Latin-1 text. */
const SIGNATURES: Readonly<Record<string, RegExp>> = {
  JPEG: /^\xff\xd8\xff/,
  PNG: /^\x89PNG\r\n\x1a\n/,
  GIF: /^GIF8[79]a/,
  WebP: /^RIFF[^]{4}WEBP/,
  AVIF: /^[^]{4}ftyp(avi[fs]|mif1|msf1)/,
  TIFF: /^(II[*+]\0|MM\0[*+])/,
};
const SIGNATURE_BYTES = 16;

/**
 * The `DataError` for what sharp refused; costs file access, so call it only once decoding has failed.
 *
 * @param source what was decoded
 * @param named what the caller gave: the URL, where `source` holds its bytes
 */
export async function explainDecodeError(
  source: LocalSource,
  named: ResolvedSource,
  maxPixels: number,
  cause: unknown,
): Promise<DataError> {
  const name = describeSource(named);
  const path = named.kind === "path" || named.kind === "url" ? name : undefined;
  const error = (code: string, problem: string) => new DataError(code, `${name} ${problem}`, { path, cause });
  const message = cause instanceof Error ? cause.message : String(cause);

  const missing = source.kind === "path" ? await explainMissing(source.path) : undefined;
  if (missing !== undefined) return error(missing.code, missing.problem);
  if (/exceeds pixel limit/i.test(message)) {
    return error(
      "ERR_IMAGE_TOO_LARGE",
      `has more than ${maxPixels} pixels by its header and was not decoded. Raise \`maxPixels\` if it is to be trusted.`,
    );
  }
  const header = await readHeader(source);
  if (header.length === 0) return error("ERR_IMAGE_EMPTY", "is empty (0 bytes).");
  const format = formatOf(header);
  if (format === undefined) {
    return error(
      "ERR_IMAGE_FORMAT",
      `is not an image that can be read: its first bytes are those of none of ${Object.keys(SIGNATURES).join(", ")}.`,
    );
  }
  const lines = message.split("\n").map((line) => line.trim());
  const detail = lines.findLast((line) => line.length > 10) ?? message;
  return error(
    "ERR_IMAGE_TRUNCATED",
    `is truncated or damaged: it begins as ${format}, but decoding failed (${detail}).`,
  );
}

async function explainMissing(path: string): Promise<{ code: string; problem: string } | undefined> {
  try {
    if ((await stat(path)).isDirectory())
      return { code: "ERR_IMAGE_DIRECTORY", problem: "is a folder, not an image." };
    await access(path, constants.R_OK);
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EACCES" || code === "EPERM") {
      return { code: "ERR_IMAGE_PERMISSION", problem: "may not be read by this user." };
    }
    if (code === "ENOENT" || code === "ENOTDIR")
      return { code: "ERR_IMAGE_MISSING", problem: "does not exist." };
    return { code: "ERR_IMAGE_MISSING", problem: `cannot be opened (${String(code)}).` };
  }
}

async function readHeader(source: LocalSource): Promise<Uint8Array> {
  if (source.kind === "bytes") return source.bytes.subarray(0, SIGNATURE_BYTES);
  if (source.kind !== "path") return new Uint8Array(0);
  const file = await open(source.path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(SIGNATURE_BYTES), 0, SIGNATURE_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function formatOf(header: Uint8Array): string | undefined {
  const text = Buffer.from(header).toString("latin1");
  return Object.entries(SIGNATURES).find(([, signature]) => signature.test(text))?.[0];
}
