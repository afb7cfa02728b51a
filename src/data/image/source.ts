/** Where a picture comes from, and what it is called in messages. */
import { DataError } from "../../errors.js";
import { describeFile, describeValue, resolveFile, type ResolvedFile } from "../file_source.js";
import { isPixelData, type PixelData } from "./image.js";

/**
 * A path, an `http:`, `https:`, `file:` or `data:` URL, the bytes of an image file, or raw pixels.
 */
export type ImageSource = string | URL | Uint8Array | PixelData;

/** A source whose kind is settled. */
export type ResolvedSource = ResolvedFile | { kind: "pixels"; pixels: PixelData };

/** A source whose bytes are on this machine. */
export type LocalSource = Exclude<ResolvedSource, { kind: "url" }>;

const KIND = { many: "Pictures", code: "ERR_IMAGE_SOURCE" };

/** @throws DataError `ERR_IMAGE_SOURCE` for anything that is no `ImageSource` */
export function resolveSource(source: ImageSource): ResolvedSource {
  const file = resolveFile(source, KIND);
  if (file !== undefined) return file;
  if (isPixelData(source)) return { kind: "pixels", pixels: source };
  throw new DataError(
    KIND.code,
    `A picture is a path, a URL, a Buffer, or pixels { data, width, height, channels }, not ${describeValue(source)}.`,
  );
}

/** What a source is called in a message. */
export function describeSource(source: ResolvedSource): string {
  return source.kind === "pixels" ? "The pixels" : describeFile(source);
}
