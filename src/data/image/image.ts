/** A decoded picture, and the raw pixels that a caller may give instead of a file. */
import { DataError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";

/** sRGB bytes, row by row: height x width x 3. Transforms never change one in place. */
export interface Image {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
}

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Pixels in memory, row by row, channels last, values 0 to 255: 1 channel is grey, 2 is grey and alpha, 3 is RGB and 4 is
 * RGBA. Floats are rounded.
 */
export interface PixelData extends Size {
  readonly data: Uint8Array | Uint8ClampedArray | Float32Array;
  readonly channels: number;
}

/** What transparent pixels are laid on. */
const BACKGROUND = 255;

/** Whether a value is an array of pixels with its size. */
export function isPixelData(source: unknown): source is PixelData {
  return typeof source === "object" && source !== null && "data" in source && "width" in source;
}

/**
 * Checks raw pixels and brings them to RGB bytes; alpha is laid on white.
 *
 * @throws DataError `ERR_IMAGE_PIXELS` where sizes, types or values do not fit
 */
export function imageFromPixels(pixels: PixelData, name = "The pixels"): Image {
  checkPixels(pixels, name);
  const { width, height, channels } = pixels;
  const source = pixels.data instanceof Float32Array ? roundToBytes(pixels.data, name) : pixels.data;
  if (channels === 3) return { data: asBytes(source), width, height, channels: 3 };
  const hasAlpha = channels === 2 || channels === 4;
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    const alpha = hasAlpha ? source[from + channels - 1]! : 255;
    for (let channel = 0; channel < 3; channel++) {
      const value = source[from + (channels > 2 ? channel : 0)]!;
      data[pixel * 3 + channel] = Math.round((value * alpha + BACKGROUND * (255 - alpha)) / 255);
    }
  }
  return { data, width, height, channels: 3 };
}

/** What sharp gave as raw RGB bytes. */
export function imageFromRaw(data: Buffer, { width, height }: Size): Image {
  return { data: asBytes(data), width, height, channels: 3 };
}

/** A uint8 tensor [height, width, 3] that shares the picture's memory. */
export function imageToTensor({ data, width, height, channels }: Image): HostTensor {
  return new HostTensor(data, [height, width, channels], "uint8");
}

function checkPixels({ data, width, height, channels }: PixelData, name: string): void {
  const refuse = (problem: string): never => {
    throw new DataError("ERR_IMAGE_PIXELS", `${name} cannot be used: ${problem}`);
  };
  for (const [side, length] of Object.entries({ width, height })) {
    if (!Number.isInteger(length) || length < 1)
      refuse(`\`${side}\` must be a positive integer, not ${length}.`);
  }
  if (![1, 2, 3, 4].includes(channels)) {
    refuse(`\`channels\` must be 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA), not ${channels}.`);
  }
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray || data instanceof Float32Array)) {
    const given = (data as object | null)?.constructor.name ?? String(data);
    refuse(
      `\`data\` must be a Uint8Array, Uint8ClampedArray or Float32Array with values 0 to 255, not ${given}.`,
    );
  }
  const expected = width * height * channels;
  if (data.length !== expected) {
    refuse(`${height} x ${width} x ${channels} needs ${expected} values, but \`data\` has ${data.length}.`);
  }
}

function roundToBytes(data: Float32Array, name: string): Uint8Array {
  let largest = 0;
  let fractional = false;
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (!(value >= 0 && value <= 255)) {
      throw new DataError(
        "ERR_IMAGE_PIXELS",
        `${name} must have values from 0 to 255, but value ${i} is ${value}.`,
      );
    }
    largest = Math.max(largest, value);
    fractional ||= !Number.isInteger(value);
    bytes[i] = Math.round(value);
  }
  if (largest <= 1 && fractional) {
    throw new DataError(
      "ERR_IMAGE_PIXELS",
      `${name} must have values from 0 to 255, but all are fractions from 0 to 1. Multiply them by 255.`,
    );
  }
  return bytes;
}

/** The same memory as a plain Uint8Array, which a Buffer is not: its methods differ. */
function asBytes(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  return data.constructor === Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
}
