/** Decoding against known pixels, and every way in which a file can be bad. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkImageHeader, decodeImage, type Image, type ImageSource } from "../../src/data/index.js";
import { DataError } from "../../src/errors.js";
import golden from "../golden/data.json" with { type: "json" };
import { describeShared } from "../support/shared.js";
import {
  jpegOf,
  toSharp,
  writeBomb,
  writeFileIn,
  writePlain,
  writeTruncated,
  writeUnreadable,
} from "./image_files.js";
import { difference, goldenPhotographs, picture, plain } from "./pictures.js";

let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-decode-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function failure(source: ImageSource, options = {}): Promise<DataError> {
  const error: unknown = await decodeImage(source, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

const pixels = (image: Image) => [...image.data];

describe("formats", () => {
  const source = picture(40, 30);

  it.each([
    ["png", {}],
    ["tiff", { compression: "lzw" }],
    ["webp", { lossless: true }],
  ] as const)("%s without loss keeps every pixel", async (format, options) => {
    const path = writeFileIn(
      at(`whole.${format}`),
      await toSharp(source).toFormat(format, options).toBuffer(),
    );
    expect(difference(await decodeImage(path), source).max).toBe(0);
  });

  it.each(["jpeg", "webp", "avif"] as const)("%s comes close", async (format) => {
    const smooth = plain(40, 30, [180, 90, 40]);
    const bytes = await toSharp(smooth).toFormat(format, { quality: 95 }).toBuffer();
    expect(difference(await decodeImage(bytes), smooth).max).toBeLessThanOrEqual(4);
  });

  it("takes the first frame of an animated GIF", async () => {
    const frames = Buffer.concat([plain(8, 6, [255, 0, 0]).data, plain(8, 6, [0, 0, 255]).data]);
    const raw = { width: 8, height: 12, channels: 3, pageHeight: 6 } as const;
    const bytes = await sharp(frames, { raw }).gif().toBuffer();
    expect((await sharp(bytes).metadata()).pages).toBe(2);
    expect(difference(await decodeImage(bytes), plain(8, 6, [255, 0, 0])).max).toBe(0);
  });

  it("turns grey into RGB", async () => {
    const raw = { width: 3, height: 1, channels: 1 } as const;
    const bytes = await sharp(Buffer.from([0, 128, 255]), { raw })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    expect((await sharp(bytes).metadata()).channels).toBe(1);
    expect(pixels(await decodeImage(bytes))).toEqual([0, 0, 0, 128, 128, 128, 255, 255, 255]);
  });

  it("lays alpha on white, in grey and in colour", async () => {
    const rgba = Buffer.from([10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 128]);
    const color = await sharp(rgba, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    const half = 128 / 255;
    const mixed = [0, 100, 200].map((value) => value * half + 255 * (1 - half));
    const decoded = pixels(await decodeImage(color));
    expect(decoded.slice(0, 6)).toEqual([10, 20, 30, 255, 255, 255]);
    decoded.slice(6).forEach((value, i) => expect(Math.abs(value - mixed[i]!)).toBeLessThanOrEqual(1));

    const grey = await sharp(Buffer.from([50, 255, 50, 0]), { raw: { width: 2, height: 1, channels: 2 } })
      .png()
      .toBuffer();
    expect(pixels(await decodeImage(grey))).toEqual([50, 50, 50, 255, 255, 255]);
  });

  it("turns 16 bits into 8 by their upper byte, in colour and in grey", async () => {
    const values = Uint16Array.of(0, 0x8000, 0xffff, 10 * 257, 20 * 257, 30 * 257);
    const color = await sharp(values, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    expect((await sharp(color).metadata()).depth).toBe("ushort");
    expect(pixels(await decodeImage(color))).toEqual([0, 128, 255, 10, 20, 30]);

    const raw = { width: 3, height: 1, channels: 1 } as const;
    const grey = await sharp(values.slice(0, 3), { raw }).toColourspace("grey16").png().toBuffer();
    expect(pixels(await decodeImage(grey))).toEqual([0, 0, 0, 128, 128, 128, 255, 255, 255]);
  });

  it("turns CMYK into sRGB, in a file that PIL wrote", async () => {
    const bytes = Buffer.from(golden.cmykJpeg, "base64");
    expect((await sharp(bytes).metadata()).space).toBe("cmyk");
    const { data } = await decodeImage(bytes);
    const patch = (i: number) => [...data.subarray((8 * 96 + i * 16 + 8) * 3, (8 * 96 + i * 16 + 8) * 3 + 3)];
    expect(patch(0)).toEqual([255, 255, 255]);
    expect(Math.max(...patch(1))).toBeLessThan(60);
    for (const [i, channel] of [
      [2, 0],
      [3, 1],
      [4, 2],
    ] as const) {
      const others = patch(i).filter((_, other) => other !== channel);
      expect(patch(i)[channel]).toBeGreaterThan(Math.max(...others) + 80);
    }
    const [red, green, blue] = patch(5) as [number, number, number];
    for (const value of [red, green, blue]) expect(Math.abs(value - 128)).toBeLessThan(35);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("applies the EXIF orientation %i", async (orientation) => {
    // What the camera should have stored so that it shows an upright picture with a marked upper left corner.
    const upright = plain(30, 20, [0, 0, 0]);
    for (let y = 0; y < 8; y++) upright.data.fill(255, y * 90, y * 90 + 24);
    const stored = await undoOrientation(upright, orientation);
    const bytes = await stored.jpeg({ quality: 100 }).withMetadata({ orientation }).toBuffer();
    expect((await sharp(bytes).metadata()).orientation).toBe(orientation);
    const decoded = await decodeImage(bytes);
    expect(difference(decoded, upright).mean).toBeLessThan(4);
    const resized = await decodeImage(bytes, { resize: { width: 15, height: 10 } });
    expect([resized.width, resized.height]).toEqual([15, 10]);
    expect(resized.data[0]).toBeGreaterThan(240);
  });

  it("decodes a picture of one pixel, and enlarges it", async () => {
    const bytes = await toSharp(plain(1, 1, [1, 2, 3]))
      .png()
      .toBuffer();
    expect(pixels(await decodeImage(bytes))).toEqual([1, 2, 3]);
    const large = await decodeImage(bytes, {
      resize: { shortestEdge: 20 },
      centerCrop: { width: 10, height: 10 },
    });
    expect(difference(large, plain(10, 10, [1, 2, 3])).max).toBe(0);
  });
});

/** EXIF says how to turn what is stored: 5 is mirrored, then 270 degrees clockwise; 6 is 90 degrees; 7 is mirrored, then 90. */
async function undoOrientation(image: Image, orientation: number) {
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  const mirrored = [2, 4, 5, 7].includes(orientation);
  const turns: Record<number, number> = { 3: 180, 4: 180, 5: 90, 6: 270, 7: 270, 8: 90 };
  let current = sharp(image.data, { raw });
  const turn = turns[orientation] ?? 0;
  const turned = await current.rotate(turn).raw().toBuffer({ resolveWithObject: true });
  current = sharp(turned.data, {
    raw: { width: turned.info.width, height: turned.info.height, channels: 3 },
  });
  return mirrored ? current.flop() : current;
}

describe("sources", () => {
  it("reads a path, a file URL, a Buffer and a data: URL alike", async () => {
    const bytes = await jpegOf(picture(20, 10));
    const path = writeFileIn(at("a picture.jpg"), bytes);
    const expected = pixels(await decodeImage(bytes));
    const url = pathToFileURL(path);
    const data = `data:image/jpeg;base64,${bytes.toString("base64")}`;
    for (const source of [path, url, url.href, new Uint8Array(bytes), data, new URL(data)]) {
      expect(pixels(await decodeImage(source))).toEqual(expected);
    }
  });

  it("takes pixels with 1 to 4 channels, as bytes and as floats", async () => {
    const size = { width: 2, height: 1 };
    const cases = [
      { data: Uint8Array.of(7, 9), channels: 1, expected: [7, 7, 7, 9, 9, 9] },
      { data: Uint8Array.of(7, 255, 9, 0), channels: 2, expected: [7, 7, 7, 255, 255, 255] },
      { data: Uint8ClampedArray.of(1, 2, 3, 4, 5, 6), channels: 3, expected: [1, 2, 3, 4, 5, 6] },
      { data: Float32Array.of(0.6, 2, 255, 4, 5, 6), channels: 3, expected: [1, 2, 255, 4, 5, 6] },
      { data: Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 0), channels: 4, expected: [1, 2, 3, 255, 255, 255] },
    ];
    for (const { expected, ...given } of cases) {
      expect(pixels(await decodeImage({ ...size, ...given }))).toEqual(expected);
    }
  });

  it.each([
    ["a wrong length", { data: new Uint8Array(5), width: 1, height: 2, channels: 3 }, "needs 6 values"],
    ["five channels", { data: new Uint8Array(5), width: 1, height: 1, channels: 5 }, "channels"],
    ["no width", { data: new Uint8Array(0), width: 0, height: 1, channels: 3 }, "width"],
    [
      "a value above 255",
      { data: Float32Array.of(1, 2, 256), width: 1, height: 1, channels: 3 },
      "value 2 is 256",
    ],
    ["NaN", { data: Float32Array.of(1, NaN, 2), width: 1, height: 1, channels: 3 }, "NaN"],
    [
      "fractions of one",
      { data: Float32Array.of(0.5, 0.2, 1), width: 1, height: 1, channels: 3 },
      "Multiply them by 255",
    ],
    ["16 bits", { data: Uint16Array.of(1, 2, 3), width: 1, height: 1, channels: 3 } as never, "Uint16Array"],
  ])("refuses pixels with %s", async (_, given, message) => {
    const error = await failure(given);
    expect(error.code).toBe("ERR_IMAGE_PIXELS");
    expect(error.message).toContain(message);
  });

  it("refuses what is no source", async () => {
    expect((await failure(7 as never)).code).toBe("ERR_IMAGE_SOURCE");
    expect((await failure(new URL("ftp://host/a.jpg"))).code).toBe("ERR_IMAGE_SOURCE");
  });
});

describe("bad files", () => {
  const runsAsRoot = process.getuid?.() === 0;

  it.each([
    ["a JPEG cut off at 60 %", "ERR_IMAGE_TRUNCATED", () => writeTruncated(at("cut60.jpg"))],
    ["a JPEG cut off at 95 %", "ERR_IMAGE_TRUNCATED", () => writeTruncated(at("cut95.jpg"), 0.95)],
    ["an empty file", "ERR_IMAGE_EMPTY", async () => writeFileIn(at("empty.jpg"), "")],
    [
      "text named .jpg",
      "ERR_IMAGE_FORMAT",
      async () => writeFileIn(at("text.jpg"), "I am not an image.\n".repeat(9)),
    ],
    ["a missing file", "ERR_IMAGE_MISSING", async () => at("missing.jpg")],
    ["a path through a file", "ERR_IMAGE_MISSING", async () => `${await writePlain(at("plain.jpg"))}/a.jpg`],
    ["a folder", "ERR_IMAGE_DIRECTORY", async () => (mkdirSync(at("folder.jpg")), at("folder.jpg"))],
    ["a PNG of 30000 x 30000", "ERR_IMAGE_TOO_LARGE", async () => writeBomb(at("bomb.png"), 30000, 30000)],
  ])("%s is %s", async (_, code, make) => {
    const path = await make();
    const error = await failure(path);
    expect(error.code).toBe(code);
    expect(error.path).toBe(path);
    expect(error.message).toContain(path);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it.each(["png", "webp", "gif", "tiff", "avif"] as const)("a %s cut off is truncated", async (format) => {
    const whole = await toSharp(picture(64, 48)).toFormat(format).toBuffer();
    const path = writeFileIn(at(`cut.${format}`), whole.subarray(0, Math.floor(whole.length * 0.6)));
    expect((await failure(path)).code).toBe("ERR_IMAGE_TRUNCATED");
  });

  it("a cut-off JPEG is found when it is decoded at a fraction of its size too", async () => {
    const whole = await jpegOf(picture(800, 600));
    const path = writeFileIn(at("large.jpg"), whole.subarray(0, Math.floor(whole.length * 0.9)));
    expect((await failure(path, { resize: { shortestEdge: 64 } })).code).toBe("ERR_IMAGE_TRUNCATED");
  });

  it.skipIf(runsAsRoot)(
    `a file without permission is ERR_IMAGE_PERMISSION${runsAsRoot ? " (root may read everything)" : ""}`,
    async () => {
      expect((await failure(await writeUnreadable(at("secret.jpg")))).code).toBe("ERR_IMAGE_PERMISSION");
    },
  );

  it("buffers are named by their size", async () => {
    expect((await failure(Buffer.alloc(0))).code).toBe("ERR_IMAGE_EMPTY");
    const error = await failure(Buffer.from("abc"));
    expect(error.code).toBe("ERR_IMAGE_FORMAT");
    expect(error.message).toContain("buffer of 3 bytes");
  });

  it("the limit of pixels can be moved", async () => {
    const bytes = await jpegOf(picture(20, 10));
    expect((await failure(bytes, { maxPixels: 199 })).code).toBe("ERR_IMAGE_TOO_LARGE");
    expect((await decodeImage(bytes, { maxPixels: 200 })).width).toBe(20);
  });

  it("a header check finds all but what is cut off", async () => {
    const code = async (path: string) => {
      const error: unknown = await checkImageHeader(path).catch((reason: unknown) => reason);
      return error === undefined ? "fine" : (error as DataError).code;
    };
    expect(await code(await writePlain(at("fine.jpg")))).toBe("fine");
    expect(await code(await writeTruncated(at("cut.jpg")))).toBe("fine");
    expect(await code(writeFileIn(at("empty2.jpg"), ""))).toBe("ERR_IMAGE_EMPTY");
    expect(await code(writeFileIn(at("text2.jpg"), "text"))).toBe("ERR_IMAGE_FORMAT");
    expect(await code(at("missing.jpg"))).toBe("ERR_IMAGE_MISSING");
    expect(await code(writeBomb(at("bomb2.png"), 30000, 30000))).toBe("ERR_IMAGE_TOO_LARGE");
  });
});

describeShared("data/caltech12", (root) => {
  it.each(Object.entries(goldenPhotographs))(
    "prepares %s as torchvision and PIL do",
    async (name, golden) => {
      const geometry = { resize: { shortestEdge: 256 }, centerCrop: { width: 224, height: 224 } };
      const prepared = await decodeImage(readFileSync(join(root, name)), geometry);
      const everyEighth = new Uint8Array(golden.data.length);
      for (let i = 0; i < 28 * 28; i++) {
        const from = (Math.floor(i / 28) * 8 * 224 + (i % 28) * 8) * 3;
        everyEighth.set(prepared.data.subarray(from, from + 3), i * 3);
      }
      const { mean, max } = difference({ ...golden, data: everyEighth }, golden);
      expect(mean).toBeLessThan(0.5);
      expect(max).toBeLessThanOrEqual(3);
    },
  );
});
