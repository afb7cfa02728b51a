/** Where the bytes of a sample come from, whatever they are bytes of. */
import { fileURLToPath } from "node:url";
import { DataError } from "../errors.js";

/** A file whose kind is settled. */
export type ResolvedFile =
  { kind: "path"; path: string } | { kind: "url"; url: URL } | { kind: "bytes"; bytes: Uint8Array };

const REMOTE_URL = /^(https?|data):/i;
const SHOWN_OF_DATA = 40;

/**
 * @param source a path, an `http:`, `https:`, `file:` or `data:` URL, or the bytes of a file
 * @param kind what errors call the samples, in the plural and at the beginning of a sentence, and their code
 * @returns undefined for anything else
 * @throws DataError `kind.code` for a URL that cannot be used
 */
export function resolveFile(source: unknown, kind: { many: string; code: string }): ResolvedFile | undefined {
  if (typeof source === "string") {
    if (REMOTE_URL.test(source)) return { kind: "url", url: parseUrl(source, kind.code) };
    return { kind: "path", path: /^file:/i.test(source) ? fileURLToPath(source) : source };
  }
  if (source instanceof URL) {
    if (source.protocol === "file:") return { kind: "path", path: fileURLToPath(source) };
    if (REMOTE_URL.test(source.protocol)) return { kind: "url", url: source };
    const message = `${kind.many} come from http, https, data and file URLs, not ${source.href}.`;
    throw new DataError(kind.code, message);
  }
  return source instanceof Uint8Array ? { kind: "bytes", bytes: source } : undefined;
}

/** What a file is called in a message. */
export function describeFile(file: ResolvedFile): string {
  if (file.kind === "path") return file.path;
  if (file.kind === "bytes") return `The buffer of ${file.bytes.length} bytes`;
  const { protocol, href } = file.url;
  return protocol === "data:" ? `${href.slice(0, SHOWN_OF_DATA)}…` : href;
}

/** What a source is called in lists: its path or address, or `buffer 3`; undefined where it is no file. */
export function nameOfFile(source: unknown, index: number): string | undefined {
  if (typeof source === "string") return source;
  if (source instanceof URL) return source.href;
  return source instanceof Uint8Array ? `buffer ${index}` : undefined;
}

/** What somebody has given in place of a source. */
export function describeValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  return `a value of class ${value.constructor.name}`;
}

function parseUrl(text: string, code: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw new DataError(code, `${JSON.stringify(text)} is not a URL.`, { cause });
  }
}
