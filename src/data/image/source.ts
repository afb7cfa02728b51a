/** Where a picture comes from, and what it is called in messages. */
import { fileURLToPath } from "node:url";
import { DataError } from "../../errors.js";
import { isPixelData, type PixelData } from "./image.js";

/**
 * A path, an `http:`, `https:`, `file:` or `data:` URL, the bytes of an image file, or raw pixels.
 */
export type ImageSource = string | URL | Uint8Array | PixelData;

/** A source whose kind is settled. */
export type ResolvedSource =
  | { kind: "path"; path: string }
  | { kind: "url"; url: URL }
  | { kind: "bytes"; bytes: Uint8Array }
  | { kind: "pixels"; pixels: PixelData };

/** A source whose bytes are on this machine. */
export type LocalSource = Exclude<ResolvedSource, { kind: "url" }>;

const REMOTE_URL = /^(https?|data):/i;

/** @throws DataError `ERR_IMAGE_SOURCE` for anything that is no `ImageSource` */
export function resolveSource(source: ImageSource): ResolvedSource {
  if (typeof source === "string") {
    if (REMOTE_URL.test(source)) return { kind: "url", url: parseUrl(source) };
    return { kind: "path", path: /^file:/i.test(source) ? fileURLToPath(source) : source };
  }
  if (source instanceof URL) {
    if (source.protocol === "file:") return { kind: "path", path: fileURLToPath(source) };
    if (REMOTE_URL.test(source.protocol)) return { kind: "url", url: source };
    throw new DataError(
      "ERR_IMAGE_SOURCE",
      `Pictures come from http, https, data and file URLs, not ${source.href}.`,
    );
  }
  if (source instanceof Uint8Array) return { kind: "bytes", bytes: source };
  if (isPixelData(source)) return { kind: "pixels", pixels: source };
  throw new DataError(
    "ERR_IMAGE_SOURCE",
    `A picture is a path, a URL, a Buffer, or pixels { data, width, height, channels }, not ${describeValue(source)}.`,
  );
}

/** What a source is called in a message. */
export function describeSource(source: ResolvedSource): string {
  switch (source.kind) {
    case "path":
      return source.path;
    case "url":
      return source.url.protocol === "data:" ? `${source.url.href.slice(0, 40)}…` : source.url.href;
    case "bytes":
      return `The buffer of ${source.bytes.length} bytes`;
    case "pixels":
      return "The pixels";
  }
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw new DataError("ERR_IMAGE_SOURCE", `${JSON.stringify(text)} is not a URL.`, { cause });
  }
}

function describeValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  return `a value of class ${value.constructor.name}`;
}
