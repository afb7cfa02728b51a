/** Makes image files, good and bad, for tests. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import type { Image } from "../../src/data/index.js";
import { picture, plain } from "./pictures.js";

export function toSharp({ data, width, height, channels }: Image) {
  return sharp(data, { raw: { width, height, channels } });
}

export async function jpegOf(image: Image): Promise<Buffer> {
  return toSharp(image).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer();
}

export function writeFileIn(path: string, content: string | Uint8Array): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** A JPEG of one colour. */
export async function writePlain(
  path: string,
  color: readonly [number, number, number] = [200, 100, 50],
  size = 12,
): Promise<string> {
  return writeFileIn(path, await jpegOf(plain(size, size, color)));
}

/** A JPEG that ends early: its header is whole. */
export async function writeTruncated(path: string, share = 0.6): Promise<string> {
  const whole = await jpegOf(picture(64, 48));
  return writeFileIn(path, whole.subarray(0, Math.floor(whole.length * share)));
}

/** A PNG whose header claims this size; its pixels are missing. */
export function writeBomb(path: string, width: number, height: number): string {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(Buffer.alloc(1000))),
    pngChunk("IEND", Buffer.alloc(0)),
  ];
  return writeFileIn(path, Buffer.concat([signature, ...parts]));
}

export async function writeUnreadable(path: string): Promise<string> {
  await writePlain(path);
  chmodSync(path, 0o000);
  return path;
}

function pngChunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(content.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}
