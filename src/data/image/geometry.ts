/** The size a picture is brought to: resized, then cut. */
import type { ResizeOptions } from "sharp";
import { ConfigurationError } from "../../errors.js";
import { imageFromRaw, type Image, type Size } from "./image.js";
import { resample, type Interpolation } from "./resample.js";
import { sharp } from "./sharp.js";

/** `shortestEdge` keeps the shape; width and height together do not. Pixels. */
export type Resize = { readonly shortestEdge: number } | Size;

/** Names follow Hugging Face's `preprocessor_config.json`. */
export interface ImageGeometry {
  /** Default: the picture keeps its size. */
  readonly resize?: Resize | undefined;
  /** The middle is cut to this size, and filled up with black where the picture is smaller. Default: nothing is cut. */
  readonly centerCrop?: Size | undefined;
  /** Default `bilinear`. All but `nearest` average over what they shrink, as PIL does. */
  readonly interpolation?: Interpolation | undefined;
}

const KERNELS = { nearest: "nearest", bilinear: "linear", bicubic: "cubic", lanczos: "lanczos3" } as const;

/**
 * What sharp is told to resize while it decodes. It only shrinks: what it enlarges lies half a pixel beside where it
 * should (measured with sharp 0.35), so `finishGeometry` does that, and so it does for `nearest`.
 */
export function sharpResize({
  resize,
  interpolation = "bilinear",
}: ImageGeometry): ResizeOptions | undefined {
  if (resize === undefined || interpolation === "nearest") return undefined;
  const common = { kernel: KERNELS[interpolation], withoutEnlargement: true };
  if ("shortestEdge" in resize) {
    return { ...common, width: resize.shortestEdge, height: resize.shortestEdge, fit: "outside" };
  }
  return { ...common, width: resize.width, height: resize.height, fit: "fill" };
}

/** Resizes what `sharpResize` has left to do, and cuts the middle. */
export function finishGeometry(
  image: Image,
  { resize, centerCrop, interpolation = "bilinear" }: ImageGeometry,
): Image {
  const size = resize === undefined ? image : resizedSize(image, resize);
  const cut = centerCrop ?? size;
  if (size.width === image.width && size.height === image.height) return centerCropImage(image, cut);
  const left = centerOffset(size.width - cut.width);
  const top = centerOffset(size.height - cut.height);
  if (left < 0 || top < 0) return centerCropImage(resample(image, size, interpolation), cut);
  return resample(image, size, interpolation, { left, top, ...cut });
}

/** Brings a decoded picture to its size. */
export async function applyGeometry(image: Image, geometry: ImageGeometry): Promise<Image> {
  const { width, height, channels } = image;
  const options = sharpResize(geometry);
  if (options === undefined) return finishGeometry(image, geometry);
  const pipeline = sharp(image.data, { raw: { width, height, channels } }).resize(options).raw();
  const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
  return finishGeometry(imageFromRaw(data, info), geometry);
}

/** @throws ConfigurationError `ERR_IMAGE_SIZE` for a length that is no positive integer */
export function checkGeometry({ resize, centerCrop }: ImageGeometry): void {
  for (const size of [resize, centerCrop]) {
    for (const [name, length] of Object.entries(size ?? {})) checkLength(name, length as number);
  }
}

/** The size after resizing; with `shortestEdge` the longer edge is rounded down, as in torchvision. */
function resizedSize({ width, height }: Size, resize: Resize): Size {
  if ("width" in resize) return resize;
  const { shortestEdge } = resize;
  if (Math.min(width, height) === shortestEdge) return { width, height };
  if (width <= height) return { width: shortestEdge, height: Math.floor((shortestEdge * height) / width) };
  return { width: Math.floor((shortestEdge * width) / height), height: shortestEdge };
}

/** Cuts the middle, at the place where torchvision's `center_crop` does; what is missing is black. */
export function centerCropImage(image: Image, size: Size): Image {
  const left = centerOffset(image.width - size.width);
  const top = centerOffset(image.height - size.height);
  return cropImage(image, left, top, size);
}

/** Cuts out a rectangle; what lies outside the picture is black. */
export function cropImage(image: Image, left: number, top: number, { width, height }: Size): Image {
  if (left === 0 && top === 0 && width === image.width && height === image.height) return image;
  const data = new Uint8Array(width * height * 3);
  const firstColumn = Math.max(0, left);
  const lastColumn = Math.min(image.width, left + width);
  for (let y = Math.max(0, -top); y < height && top + y < image.height && firstColumn < lastColumn; y++) {
    const row = (top + y) * image.width;
    const source = image.data.subarray((row + firstColumn) * 3, (row + lastColumn) * 3);
    data.set(source, (y * width + firstColumn - left) * 3);
  }
  return { data, width, height, channels: 3 };
}

/** @throws ConfigurationError `ERR_IMAGE_SIZE` unless it is a positive integer */
export function checkLength(name: string, length: number): void {
  if (!Number.isInteger(length) || length < 1) {
    throw new ConfigurationError(
      "ERR_IMAGE_SIZE",
      `\`${name}\` must be a positive whole number of pixels, not ${length}.`,
    );
  }
}

/** Half of what is cut away, rounded to the even neighbour; negative for half of what is added, rounded down. */
function centerOffset(difference: number): number {
  if (difference < 0) return -Math.floor(-difference / 2);
  const floor = Math.floor(difference / 2);
  return difference % 2 === 1 && floor % 2 === 1 ? floor + 1 : floor;
}
