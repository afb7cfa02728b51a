/** Decodes an image file to RGB bytes, resized on the way. */
import { imageFromPixels, imageFromRaw, type Image, type Size } from "./image.js";
import { explainDecodeError } from "./decode_error.js";
import { checkDecodeLimits } from "../decode_limits.js";
import { download, type DownloadOptions } from "../download.js";
import { applyGeometry, checkGeometry, finishGeometry, sharpResize, type ImageGeometry } from "./geometry.js";
import { sharp } from "./sharp.js";
import { resolveSource, type ImageSource, type LocalSource, type ResolvedSource } from "./source.js";

/** Options of decoding a picture. */
export interface DecodeOptions extends ImageGeometry, DownloadOptions {
  /** Pictures with more pixels by their header are refused before they are decoded; default 100 million. */
  maxPixels?: number;
}

const DEFAULT_MAX_PIXELS = 100e6;

/**
 * Decodes JPEG, PNG, WebP, AVIF, TIFF (first page) or GIF (first frame) to sRGB bytes. The EXIF orientation and an
 * embedded colour profile are applied, alpha is laid on white, grey becomes RGB, CMYK becomes sRGB, and 16 bits become 8.
 *
 * Resizing happens while decoding, so that a large JPEG is never decoded at its full size.
 *
 * @throws DataError `ERR_IMAGE_MISSING`, `ERR_IMAGE_DIRECTORY`, `ERR_IMAGE_PERMISSION`, `ERR_IMAGE_EMPTY`,
 *   `ERR_IMAGE_FORMAT` (not an image), `ERR_IMAGE_TRUNCATED` (or damaged), `ERR_IMAGE_TOO_LARGE`, `ERR_IMAGE_PIXELS`,
 *   `ERR_IMAGE_SOURCE`, `ERR_DOWNLOAD_…`
 * @throws ConfigurationError `ERR_DECODE_OPTION`
 */
export async function decodeImage(source: ImageSource, options: DecodeOptions = {}): Promise<Image> {
  const { maxPixels = DEFAULT_MAX_PIXELS } = options;
  checkGeometry(options);
  checkDecodeLimits(options);
  const named = resolveSource(source);
  const resolved = await fetchRemote(named, options);
  if (resolved.kind === "pixels") return applyGeometry(imageFromPixels(resolved.pixels), options);

  const size = sharpResize(options);
  let decoded;
  try {
    const pipeline = openWithSharp(resolved, maxPixels).autoOrient().flatten({ background: "white" });
    const resized = size === undefined ? pipeline : pipeline.resize(size);
    decoded = await resized
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw await explainDecodeError(resolved, named, maxPixels, cause);
  }
  return finishGeometry(imageFromRaw(decoded.data, decoded.info), options);
}

/**
 * Reads only the header, which finds most files that cannot be used at a tenth of the cost; a file cut off further down
 * passes. Remote files are not fetched.
 *
 * @throws DataError as `decodeImage` does
 */
export async function checkImageHeader(source: ImageSource, options: DecodeOptions = {}): Promise<void> {
  const resolved = resolveSource(source);
  if (resolved.kind !== "url") await sizeOf(resolved, resolved, options);
}

/**
 * The pixels of a picture as it is seen, its EXIF orientation applied. Only the header is read; what is remote is fetched.
 *
 * @throws DataError as `decodeImage` does
 */
export async function readImageSize(source: ImageSource, options: DecodeOptions = {}): Promise<Size> {
  const named = resolveSource(source);
  return sizeOf(await fetchRemote(named, options), named, options);
}

async function sizeOf(
  resolved: LocalSource,
  named: ResolvedSource,
  { maxPixels = DEFAULT_MAX_PIXELS }: DecodeOptions,
): Promise<Size> {
  if (resolved.kind === "pixels") {
    const { width, height } = imageFromPixels(resolved.pixels);
    return { width, height };
  }
  try {
    const { width, height, autoOrient } = await openWithSharp(resolved, maxPixels).metadata();
    if (width * height > maxPixels) throw new Error("Input image exceeds pixel limit");
    return { width: autoOrient.width, height: autoOrient.height };
  } catch (cause) {
    throw await explainDecodeError(resolved, named, maxPixels, cause);
  }
}

async function fetchRemote(source: ResolvedSource, options: DownloadOptions): Promise<LocalSource> {
  return source.kind === "url" ? { kind: "bytes", bytes: await download(source.url, options) } : source;
}

function openWithSharp(source: Exclude<LocalSource, { kind: "pixels" }>, maxPixels: number) {
  const input = source.kind === "path" ? source.path : source.bytes;
  return sharp(input, { failOn: "truncated", limitInputPixels: maxPixels });
}
