/** The places of the feature maps: each looks for things around its own middle. */
import { ConfigurationError } from "../../../errors.js";

/** Strides of the maps of a pyramid, finest first. */
export const STRIDES = [8, 16, 32, 64] as const;

/** Pixels of the picture per unit of a predicted distance, in strides: things of about four strides suit a map best. */
const REACH = 2;

/** The places of all maps of square pictures, map by map, row by row. */
export interface Points {
  readonly count: number;
  /** [x, y] of each in pixels. */
  readonly centers: Float32Array;
  /** The distance in pixels that each begins with, from its middle to each side of its box. */
  readonly reaches: Float32Array;
}

/** @param imageSize side of the pictures, a multiple of 32 */
export function makePoints(imageSize: number): Points {
  const centers: number[] = [];
  const reaches: number[] = [];
  for (const stride of STRIDES) {
    const side = Math.ceil(imageSize / stride);
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        centers.push((column + 0.5) * stride, (row + 0.5) * stride);
        reaches.push(REACH * stride);
      }
    }
  }
  return {
    count: reaches.length,
    centers: Float32Array.from(centers),
    reaches: Float32Array.from(reaches),
  };
}

/** @throws ConfigurationError `ERR_IMAGE_SIZE` */
export function checkImageSize(imageSize: number): void {
  if (Number.isInteger(imageSize) && imageSize >= 64 && imageSize % 32 === 0) return;
  throw new ConfigurationError(
    "ERR_IMAGE_SIZE",
    `A detector's \`imageSize\` must be a multiple of 32 from 64 on, not ${imageSize}.`,
  );
}
