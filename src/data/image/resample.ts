/** Resizes pictures as PIL does: a separable filter that widens with what it shrinks, columns before rows. */
import type { Image, Size } from "./image.js";

/** How pictures are enlarged and reduced. */
export type Interpolation = "nearest" | "bilinear" | "bicubic" | "lanczos";

interface Filter {
  /** Distance in pixels from which on the weight is zero. */
  support: number;
  weight: (distance: number) => number;
}

const FILTERS: Record<Interpolation, Filter> = {
  nearest: { support: 0, weight: () => 1 },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => keys(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** The weighted input positions of every output position; each has the same number of weights, some of them 0. */
interface Taps {
  count: number;
  first: Int32Array;
  weights: Float32Array;
}

/**
 * Resizes to `size`; of that, only the rectangle `region` is made (pixels of the resized picture; default: all of it).
 */
export function resample(
  image: Image,
  size: Size,
  interpolation: Interpolation,
  region: Size & { left: number; top: number } = { left: 0, top: 0, ...size },
): Image {
  const columns = makeTaps(image.width, size.width, interpolation, region.left, region.width);
  const rows = makeTaps(image.height, size.height, interpolation, region.top, region.height);
  const firstRow = rows.first[0]!;
  const rowCount = rows.first.at(-1)! + rows.count - firstRow;
  const narrowed = (blends(columns) ? blendColumns : resampleColumns)(image, columns, firstRow, rowCount);
  return {
    data: (blends(rows) ? blendRows : resampleRows)(narrowed, rows, region.width),
    width: region.width,
    height: region.height,
    channels: 3,
  };
}

/** Two weights of at least 0, as a bilinear enlargement has: the common case, and twice as fast on a path of its own. */
function blends({ count, weights }: Taps): boolean {
  return count === 2 && weights.every((weight) => weight >= 0);
}

function makeTaps(
  inputLength: number,
  outputLength: number,
  interpolation: Interpolation,
  start: number,
  length: number,
): Taps {
  const scale = inputLength / outputLength;
  const spread = Math.max(1, scale);
  const { support, weight } = FILTERS[interpolation];
  const reach = interpolation === "nearest" ? 0 : support * spread;
  const count = Math.min(inputLength, Math.max(1, Math.ceil(2 * reach)));
  const first = new Int32Array(length);
  const weights = new Float32Array(length * count);
  for (let i = 0; i < length; i++) {
    const center = (start + i + 0.5) * scale;
    const begin = Math.max(0, Math.floor(reach === 0 ? center : center - reach + 0.5));
    first[i] = Math.min(begin, inputLength - count);
    const position = (j: number) => (first[i]! + j + 0.5 - center) / spread;
    let sum = 0;
    for (let j = 0; j < count; j++) sum += weight(position(j));
    for (let j = 0; j < count; j++) weights[i * count + j] = weight(position(j)) / sum;
  }
  return { count, first, weights };
}

/**
 * Rows `firstRow` on, with their new width, rounded to bytes as PIL does between its passes: a filter that goes beyond black
 * or white would otherwise carry that on.
 */
function resampleColumns(
  image: Image,
  { count, first, weights }: Taps,
  firstRow: number,
  rowCount: number,
): Float32Array {
  const { data: source, width: inputWidth } = image;
  const width = first.length;
  const result = new Float32Array(rowCount * width * 3);
  let to = 0;
  for (let y = firstRow; y < firstRow + rowCount; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      let from = (y * inputWidth + first[x]!) * 3;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let j = x * count; j < (x + 1) * count; j++, from += 3) {
        const weight = weights[j]!;
        red += weight * source[from]!;
        green += weight * source[from + 1]!;
        blue += weight * source[from + 2]!;
      }
      result[to] = toByte(red);
      result[to + 1] = toByte(green);
      result[to + 2] = toByte(blue);
    }
  }
  return result;
}

function resampleRows(source: Float32Array, { count, first, weights }: Taps, width: number): Uint8Array {
  const rowLength = width * 3;
  const result = new Uint8Array(first.length * rowLength);
  const sums = new Float32Array(rowLength);
  for (let y = 0; y < first.length; y++) {
    sums.fill(0.5);
    let from = (first[y]! - first[0]!) * rowLength;
    for (let j = y * count; j < (y + 1) * count; j++, from += rowLength) {
      const weight = weights[j]!;
      if (weight === 0) continue;
      for (let i = 0; i < rowLength; i++) sums[i]! += weight * source[from + i]!;
    }
    const to = y * rowLength;
    for (let i = 0; i < rowLength; i++) {
      const value = sums[i]!;
      result[to + i] = value <= 0 ? 0 : value >= 255 ? 255 : value;
    }
  }
  return result;
}

/** `resampleColumns` where it only blends. */
function blendColumns(
  image: Image,
  { first, weights }: Taps,
  firstRow: number,
  rowCount: number,
): Float32Array {
  const { data: source, width: inputWidth } = image;
  const width = first.length;
  const result = new Float32Array(rowCount * width * 3);
  let to = 0;
  for (let y = firstRow; y < firstRow + rowCount; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const from = (y * inputWidth + first[x]!) * 3;
      const left = weights[2 * x]!;
      const right = weights[2 * x + 1]!;
      result[to] = left * source[from]! + right * source[from + 3]!;
      result[to + 1] = left * source[from + 1]! + right * source[from + 4]!;
      result[to + 2] = left * source[from + 2]! + right * source[from + 5]!;
    }
  }
  return result;
}

/** `resampleRows` where it only blends, which cannot leave the range of a byte. */
function blendRows(source: Float32Array, { first, weights }: Taps, width: number): Uint8Array {
  const rowLength = width * 3;
  const result = new Uint8Array(first.length * rowLength);
  for (let y = 0; y < first.length; y++) {
    const from = (first[y]! - first[0]!) * rowLength;
    const above = weights[2 * y]!;
    const below = weights[2 * y + 1]!;
    const to = y * rowLength;
    for (let i = 0; i < rowLength; i++) {
      result[to + i] = above * source[from + i]! + below * source[from + rowLength + i]! + 0.5;
    }
  }
  return result;
}

function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.floor(value + 0.5);
}

/** Keys' cubic convolution with a = -0.5. */
function keys(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
