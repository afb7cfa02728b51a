/** Boxes must follow the pixels: a white rectangle is looked for where its box is said to lie. */
import { describe, expect, it } from "vitest";
import {
  compose,
  FILL,
  letterbox,
  placedPixels,
  placePoint,
  randomPlacement,
  unplacePoint,
  type Placement,
} from "../../src/data/image/placement.js";
import type { Image, Size } from "../../src/data/index.js";
import { Generator } from "../../src/random.js";

const canvas: Size = { width: 96, height: 96 };
const box = { xmin: 30, ymin: 12, xmax: 70, ymax: 44 };

/** Black, with a white rectangle. */
function picture({ width, height }: Size): Image {
  const data = new Uint8Array(width * height * 3);
  for (let y = box.ymin; y < box.ymax; y++)
    for (let x = box.xmin; x < box.xmax; x++) data.fill(255, (y * width + x) * 3, (y * width + x) * 3 + 3);
  return { data, width, height, channels: 3 };
}

/** The smallest box around all pixels that are rather white. */
function whiteBox({ data, width, height }: Image): number[] {
  const [xs, ys]: [number[], number[]] = [[], []];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      if (data[(y * width + x) * 3]! <= 127) continue;
      xs.push(x);
      ys.push(y);
    }
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1];
}

async function expectToFollow(size: Size, placement: Placement): Promise<void> {
  const image = compose(canvas, [
    { pixels: await placedPixels(picture(size), placement), at: placement.target },
  ]);
  const [a, b] = placePoint([box.xmin, box.ymin], placement);
  const [c, d] = placePoint([box.xmax, box.ymax], placement);
  const { left, top, width, height } = placement.target;
  const expected = [Math.min(a, c), b, Math.max(a, c), d].map((edge, i) =>
    i % 2 === 0 ? Math.min(left + width, Math.max(left, edge)) : Math.min(top + height, Math.max(top, edge)),
  );
  if (expected[2]! - expected[0]! < 2 || expected[3]! - expected[1]! < 2) return;
  whiteBox(image).forEach((edge, i) => expect(Math.abs(edge - expected[i]!)).toBeLessThanOrEqual(1));
}

describe("placements", () => {
  it("letterboxes into the upper left corner, with grey beside", async () => {
    const placement = letterbox({ width: 192, height: 96 }, canvas);
    expect(placement.target).toEqual({ left: 0, top: 0, width: 96, height: 48 });
    const pixels = await placedPixels(picture({ width: 192, height: 96 }), placement);
    const image = compose(canvas, [{ pixels, at: placement.target }]);
    expect(image.data[(48 * 96 + 5) * 3]).toBe(FILL);
    expect(whiteBox(image)).toEqual([15, 6, 35, 22]);
  });

  it.each([1, 2, 3])("keep boxes on their pixels, whatever zoom and mirror are drawn (%d)", async (seed) => {
    const random = new Generator(seed);
    for (let i = 0; i < 30; i++) {
      const size = { width: 80 + random.integer(80), height: 60 + random.integer(80) };
      const region = { left: random.integer(30), top: random.integer(30), width: 66, height: 60 };
      await expectToFollow(size, randomPlacement(size, region, { scale: [0.5, 2], mirror: 0.5 }, random));
    }
  });

  it("can be turned back", () => {
    const random = new Generator(4);
    const placement = randomPlacement(
      { width: 100, height: 50 },
      { left: 0, top: 0, ...canvas },
      { scale: [0.5, 2], mirror: 1 },
      random,
    );
    const [x, y] = unplacePoint(placePoint([33, 21], placement), placement);
    expect(x).toBeCloseTo(33, 10);
    expect(y).toBeCloseTo(21, 10);
  });
});
