/** Moves, shears and turns a picture; the nearest pixel is taken, and what comes from outside is black. */
import type { Image } from "../image.js";

/**
 * Fills each pixel from the place that it has in the source.
 *
 * @param matrix the source place of the pixel centre (x, y): (a x + b y + c, d x + e y + f), in pixels from the upper left
 *   corner
 */
export function affine(image: Image, [a, b, c, d, e, f]: AffineMatrix): Image {
  const { data: source, width, height } = image;
  const data = new Uint8Array(source.length);
  let to = 0;
  for (let row = 0; row < height; row++) {
    const y = row + 0.5;
    for (let column = 0; column < width; column++, to += 3) {
      const x = column + 0.5;
      const sourceColumn = Math.floor(a * x + b * y + c);
      const sourceRow = Math.floor(d * x + e * y + f);
      if (sourceColumn < 0 || sourceColumn >= width || sourceRow < 0 || sourceRow >= height) continue;
      const from = (sourceRow * width + sourceColumn) * 3;
      data[to] = source[from]!;
      data[to + 1] = source[from + 1]!;
      data[to + 2] = source[from + 2]!;
    }
  }
  return { ...image, data };
}

/** The inverse of what happens to the picture. */
export type AffineMatrix = readonly [number, number, number, number, number, number];

/** Rows move sideways in proportion to their height from the top. */
export function shearX(image: Image, amount: number): Image {
  return affine(image, [1, amount, 0, 0, 1, 0]);
}

/** Columns move up or down in proportion to their distance from the left. */
export function shearY(image: Image, amount: number): Image {
  return affine(image, [1, 0, 0, amount, 1, 0]);
}

/** To the right by so many pixels. */
export function translateX(image: Image, pixels: number): Image {
  return affine(image, [1, 0, -pixels, 0, 1, 0]);
}

/** Down by so many pixels. */
export function translateY(image: Image, pixels: number): Image {
  return affine(image, [1, 0, 0, 0, 1, -pixels]);
}

/** Counter-clockwise about the middle. */
export function rotate(image: Image, degrees: number): Image {
  const cosine = Math.cos((degrees * Math.PI) / 180);
  const sine = Math.sin((degrees * Math.PI) / 180);
  const x = image.width / 2;
  const y = image.height / 2;
  return affine(image, [cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y]);
}
