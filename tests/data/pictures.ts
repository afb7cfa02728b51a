/** The pictures that the tests of src/data use, and how two are compared. */
import golden from "../golden/data.json" with { type: "json" };
import type { Image } from "../../src/data/index.js";

interface EncodedImage {
  width: number;
  height: number;
  data: string;
}

/** What PIL and torchvision made of the same pictures; see tests/golden/make_data.py. */
export const goldenResized = decodeAll(golden.resized);
export const goldenColors = decodeAll(golden.colors);
export const goldenRandAugment = decodeAll(golden.randAugment);
export const goldenPhotographs = decodeAll(golden.photographs);

/** Slanted waves, different in each channel, with some noise: the formula of make_data.py. */
export function picture(width: number, height: number): Image {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const wave = Math.abs(((x * (3 + c) + y * (2 + 2 * c)) % 510) - 255);
        const noise = ((x * 73) ^ (y * 151) ^ (c * 199)) % 64;
        data[(y * width + x) * 3 + c] = Math.min(255, Math.floor((wave * 3) / 4) + noise);
      }
    }
  }
  return { data, width, height, channels: 3 };
}

/** One colour everywhere. */
export function plain(width: number, height: number, color: readonly [number, number, number]): Image {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => color[i % 3]!);
  return { data, width, height, channels: 3 };
}

export interface Difference {
  mean: number;
  max: number;
  /** Share of the bytes that differ by more than one. */
  changed: number;
}

/** Infinite where the sizes differ. */
export function difference(actual: Image, expected: Image): Difference {
  if (actual.width !== expected.width || actual.height !== expected.height) {
    return { mean: Infinity, max: Infinity, changed: Infinity };
  }
  const deviations = Array.from(actual.data, (value, i) => Math.abs(value - expected.data[i]!));
  return {
    mean: deviations.reduce((sum, deviation) => sum + deviation, 0) / deviations.length,
    max: deviations.reduce((largest, deviation) => Math.max(largest, deviation), 0),
    changed: deviations.filter((deviation) => deviation > 1).length / deviations.length,
  };
}

function decodeAll(images: Record<string, EncodedImage>): Record<string, Image> {
  return Object.fromEntries(
    Object.entries(images).map(([name, { width, height, data }]) => [
      name,
      { width, height, channels: 3, data: new Uint8Array(Buffer.from(data, "base64")) },
    ]),
  );
}
