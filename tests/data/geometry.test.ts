/** Resizing and cutting, against PIL and torchvision. */
import { describe, expect, it } from "vitest";
import { applyGeometry, centerCropImage, decodeImage, type Interpolation } from "../../src/data/index.js";
import { cropImage } from "../../src/data/image/geometry.js";
import { resample } from "../../src/data/image/resample.js";
import { toSharp } from "./image_files.js";
import { difference, goldenResized, picture, plain } from "./pictures.js";

const large = picture(160, 120);
const small = cropImage(large, 0, 0, { width: 20, height: 15 });
const modes: Interpolation[] = ["nearest", "bilinear", "bicubic", "lanczos"];

describe.each(modes)("%s", (interpolation) => {
  it.each(["down", "up"])("our own resampling agrees with PIL, %s", (direction) => {
    const golden = goldenResized[`${interpolation} ${direction}`]!;
    const { max } = difference(resample(direction === "down" ? large : small, golden, interpolation), golden);
    expect(max).toBeLessThanOrEqual(interpolation === "nearest" ? 0 : 1);
  });

  it.each(["down", "up"])("decoding and resizing at once agrees with PIL, %s", async (direction) => {
    const golden = goldenResized[`${interpolation} ${direction}`]!;
    const { width, height } = golden;
    const file = await toSharp(direction === "down" ? large : small)
      .png()
      .toBuffer();
    const { mean, max } = difference(
      await decodeImage(file, { resize: { width, height }, interpolation }),
      golden,
    );
    expect(mean).toBeLessThan(0.4);
    expect(max).toBeLessThanOrEqual(4);
  });
});

// From a factor of 4 on libvips averages whole pixels first: still within 4 of 255, but 1 off on average.
it("shrinks one side and enlarges the other", async () => {
  const expected = resample(large, { width: 40, height: 150 }, "bilinear");
  const actual = await applyGeometry(large, { resize: { width: 40, height: 150 } });
  const { mean, max } = difference(actual, expected);
  expect(mean).toBeLessThan(1.5);
  expect(max).toBeLessThanOrEqual(5);
});

it("brings the shortest edge to a length and cuts the middle", async () => {
  const golden = goldenResized["shortest edge and crop"]!;
  const geometry = { resize: { shortestEdge: 64 }, centerCrop: { width: 56, height: 56 } };
  expect(difference(await applyGeometry(large, geometry), golden).mean).toBeLessThan(0.8);
  expect(difference(await decodeImage(large, geometry), golden).mean).toBeLessThan(0.8);
});

it("stays within bytes where bicubic weights overshoot on two pixels", () => {
  const pair = { data: Uint8Array.of(255, 255, 255, 0, 0, 0), width: 2, height: 1, channels: 3 } as const;
  for (const image of [pair, { ...pair, width: 1, height: 2 }]) {
    const { data } = resample(image, { width: image.width * 5, height: image.height * 5 }, "bicubic");
    expect(data[0]).toBe(255);
    expect(data.at(-1)).toBe(0);
  }
});

it("rounds the longer edge down when it enlarges", async () => {
  const { width, height } = await applyGeometry(picture(20, 13), { resize: { shortestEdge: 30 } });
  expect([width, height]).toEqual([46, 30]); // 30 * 20 / 13 = 46.15
  const upright = await applyGeometry(picture(13, 20), { resize: { shortestEdge: 30 } });
  expect([upright.width, upright.height]).toEqual([30, 46]);
});

it("makes only the part that is cut out", () => {
  const whole = resample(small, { width: 50, height: 40 }, "bicubic");
  const part = resample(small, { width: 50, height: 40 }, "bicubic", {
    left: 7,
    top: 9,
    width: 21,
    height: 18,
  });
  expect(difference(part, cropImage(whole, 7, 9, { width: 21, height: 18 })).max).toBe(0);
});

it("cuts the middle where torchvision does, and fills up with black", () => {
  const odd = centerCropImage(picture(13, 18), { width: 10, height: 11 });
  expect(difference(odd, goldenResized["crop of odd margins"]!).max).toBe(0);
  const larger = centerCropImage(picture(9, 12), { width: 14, height: 14 });
  expect(difference(larger, goldenResized["crop larger than the picture"]!).max).toBe(0);
});

it("fills up what an enlarged picture lacks", async () => {
  const geometry = { resize: { shortestEdge: 4 }, centerCrop: { width: 8, height: 8 } };
  const image = await applyGeometry(plain(2, 2, [9, 9, 9]), geometry);
  const inside = cropImage(image, 2, 2, { width: 4, height: 4 });
  expect(difference(inside, plain(4, 4, [9, 9, 9])).max).toBe(0);
  expect(image.data.reduce((sum, value) => sum + value, 0)).toBe(16 * 3 * 9);
});

it.each([0, -1, 2.5, NaN])("refuses %s pixels", async (length) => {
  const code = "ERR_IMAGE_SIZE";
  await expect(decodeImage(small, { resize: { shortestEdge: length } })).rejects.toMatchObject({ code });
  await expect(decodeImage(small, { centerCrop: { width: 3, height: length } })).rejects.toMatchObject({
    code,
  });
});
