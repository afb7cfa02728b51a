/**
 * Changes of colour with torchvision's definitions for bytes: results are clamped to 0 to 255 and their fractions cut off.
 * A factor of 1 leaves the picture as it is.
 */
import type { Image } from "../image.js";

/** Mixes with black. */
export function adjustBrightness(image: Image, factor: number): Image {
  return mapBytes(image, (value) => toByte(value * factor));
}

/** Mixes with the grey of the picture's mean luminance. */
export function adjustContrast(image: Image, factor: number): Image {
  const { data } = image;
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += luminance(data, i);
  const mean = sum / (data.length / 3);
  return mapBytes(image, (value) => toByte(value * factor + mean * (1 - factor)));
}

/** Mixes each pixel with its own grey. */
export function adjustSaturation(image: Image, factor: number): Image {
  const { data: source } = image;
  const data = new Uint8Array(source.length);
  for (let i = 0; i < source.length; i += 3) {
    const grey = luminance(source, i) * (1 - factor);
    data[i] = toByte(source[i]! * factor + grey);
    data[i + 1] = toByte(source[i + 1]! * factor + grey);
    data[i + 2] = toByte(source[i + 2]! * factor + grey);
  }
  return { ...image, data };
}

/** Turns the hue by a share of the colour circle, -0.5 to 0.5; 0 leaves the picture as it is. */
export function adjustHue(image: Image, shift: number): Image {
  const { data: source } = image;
  const data = new Uint8Array(source.length);
  for (let i = 0; i < source.length; i += 3) {
    const red = source[i]!;
    const green = source[i + 1]!;
    const blue = source[i + 2]!;
    const largest = Math.max(red, green, blue);
    const range = largest - Math.min(red, green, blue);
    if (range === 0) {
      data[i] = data[i + 1] = data[i + 2] = red;
      continue;
    }
    let sector: number;
    if (largest === red) sector = (green - blue) / range;
    else if (largest === green) sector = 2 + (blue - red) / range;
    else sector = 4 + (red - green) / range;
    sector += shift * 6;
    data[i] = channelAt(sector + 5, largest, range);
    data[i + 1] = channelAt(sector + 3, largest, range);
    data[i + 2] = channelAt(sector + 1, largest, range);
  }
  return { ...image, data };
}

/** Mixes with a blurred picture; the outermost pixels stay. */
export function adjustSharpness(image: Image, factor: number): Image {
  const { data: source, width, height } = image;
  if (width <= 2 || height <= 2) return image;
  const data = source.slice();
  const row = width * 3;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + 3; i < (y + 1) * row - 3; i++) {
      const above = source[i - row - 3]! + source[i - row]! + source[i - row + 3]!;
      const beside = source[i - 3]! + 5 * source[i]! + source[i + 3]!;
      const below = source[i + row - 3]! + source[i + row]! + source[i + row + 3]!;
      const blurred = ((above + beside + below) / 13 + 0.5) | 0;
      data[i] = toByte(source[i]! * factor + blurred * (1 - factor));
    }
  }
  return { ...image, data };
}

/** Keeps the upper bits of each byte, 0 to 8 of them. */
export function posterize(image: Image, bits: number): Image {
  const mask = (0xff << (8 - bits)) & 0xff;
  return mapBytes(image, (value) => value & mask);
}

/** Inverts bytes from the threshold up. */
export function solarize(image: Image, threshold: number): Image {
  return mapBytes(image, (value) => (value >= threshold ? 255 - value : value));
}

/** Stretches each channel to the full range. */
export function autocontrast(image: Image): Image {
  return mapChannels(image, (counts) => {
    const lowest = counts.findIndex((count) => count > 0);
    const highest = counts.findLastIndex((count) => count > 0);
    if (lowest === highest) return (value) => value;
    const scale = 255 / (highest - lowest);
    return (value) => toByte((value - lowest) * scale);
  });
}

/** Makes each channel's values about equally frequent. */
export function equalize(image: Image): Image {
  return mapChannels(image, (counts) => {
    const highest = counts.findLastIndex((count) => count > 0);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const step = Math.floor((total - counts[highest]!) / 255);
    if (step === 0) return (value) => value;
    const table: number[] = [];
    let below = 0;
    for (const count of counts) {
      table.push(toByte(Math.floor((below + (step >> 1)) / step)));
      below += count;
    }
    return (value) => table[value]!;
  });
}

/** ITU-R 601-2 luma as a whole number. */
function luminance(data: Uint8Array, i: number): number {
  return (0.2989 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!) | 0;
}

/** One channel of the colour with this hue (in sixths of the circle, turned to the channel), value and chroma. */
function channelAt(sector: number, value: number, chroma: number): number {
  const k = sector - 6 * Math.floor(sector / 6);
  const level = value - chroma * Math.max(0, Math.min(k, 4 - k, 1));
  return (level * (255.999 / 255)) | 0;
}

function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : value | 0;
}

function mapBytes(image: Image, f: (value: number) => number): Image {
  const { data: source } = image;
  const table = tableOf(f);
  const data = new Uint8Array(source.length);
  for (let i = 0; i < source.length; i++) data[i] = table[source[i]!]!;
  return { ...image, data };
}

function tableOf(f: (value: number) => number): Uint8Array {
  const table = new Uint8Array(256);
  for (let value = 0; value < 256; value++) table[value] = f(value);
  return table;
}

/** Maps each channel's bytes with a function made from how often each value occurs in it. */
function mapChannels(image: Image, make: (counts: number[]) => (value: number) => number): Image {
  const { data: source } = image;
  const data = new Uint8Array(source.length);
  for (let channel = 0; channel < 3; channel++) {
    const counts = new Array<number>(256).fill(0);
    for (let i = channel; i < source.length; i += 3) counts[source[i]!]!++;
    const table = tableOf(make(counts));
    for (let i = channel; i < source.length; i += 3) data[i] = table[source[i]!]!;
  }
  return { ...image, data };
}
