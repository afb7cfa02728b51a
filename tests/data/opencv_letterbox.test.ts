/** The letterbox of scripts on OpenCV: its sizes, its scale, and its pixels against PyTorch's bilinear interpolation. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCvLetterbox, resizeAsOpenCv } from "../../src/data/image/opencv_letterbox.js";
import { placePoint, unplacePoint } from "../../src/data/image/placement.js";

const path = join(import.meta.dirname, "../golden/detection_imported.json");
const { resized } = JSON.parse(readFileSync(path, "utf8")) as {
  resized: { from: [number, number]; to: [number, number]; pixels: number[] }[];
};

describe("OpenCV's letterbox", () => {
  it("rounds sides down, and places points by the scale itself", () => {
    const placement = openCvLetterbox({ width: 650, height: 417 }, { width: 416, height: 416 });
    expect(placement.target).toEqual({ left: 0, top: 0, width: 416, height: 266 }); // 266.88
    const [x, y] = placePoint([650, 417], placement);
    expect([x, y]).toEqual([expect.closeTo(416, 9), expect.closeTo(266.88, 9)]);
    expect(unplacePoint([208, 133.44], placement)).toEqual([
      expect.closeTo(325, 9),
      expect.closeTo(208.5, 9),
    ]);
    expect(openCvLetterbox({ width: 1000, height: 1 }, { width: 416, height: 416 }).target.height).toBe(1);
  });

  it.each(resized)("resizes $from to $to as PyTorch does", ({ from: [width, height], to, pixels }) => {
    const data = Uint8Array.from(
      { length: width * height * 3 },
      (_, i) => (i * 31 + Math.floor(i / 50) * 17) % 256,
    );
    const size = { width: to[0], height: to[1] };
    const image = resizeAsOpenCv({ data, width, height, channels: 3 }, size);
    expect(image).toMatchObject(size);
    expect(image.data).toHaveLength(pixels.length);
    pixels.forEach((value, i) => expect(Math.abs(image.data[i]! - value)).toBeLessThan(0.501));
  });
});
