/** The contact sheet read back pixel by pixel. */
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { contactSheet } from "../../src/tasks/image/contact_sheet.js";
import type { ContactSheetItem, ContactSheetOptions } from "../../src/tasks/image/contact_sheet.js";

const blue = [20, 60, 200];
const green = [0x1a, 0x8f, 0x4c];
const red = [0xd1, 0x31, 0x3d];
const white = [255, 255, 255];

function plain(width: number, height: number, color: number[] = blue) {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => color[index % 3]!);
  return { data, width, height, channels: 3 as const };
}

async function draw(items: ContactSheetItem[], options?: ContactSheetOptions) {
  const bytes = await contactSheet(items, options);
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const pixel = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3).subarray(0, 3)];
  const count = (color: number[]) => {
    let matches = 0;
    for (let i = 0; i < data.length; i += 3) if (color.every((value, c) => data[i + c] === value)) matches++;
    return matches;
  };
  return { bytes, width: info.width, height: info.height, pixel, count };
}

describe("contactSheet", () => {
  it("is a PNG with one square tile an item, in rows", async () => {
    const items = [1, 2, 3, 4, 5].map((n) => ({ image: plain(50, 50), caption: [`picture ${n}`] }));
    const sheet = await draw(items, { columns: 3, tileSize: 100 });
    expect(sheet.bytes.subarray(1, 4).toString()).toBe("PNG");
    expect(sheet.count(blue)).toBe(5 * 100 * 100);
    expect(sheet.width).toBeGreaterThan(300);
    expect(sheet.width).toBeLessThan(400);
    expect(sheet.pixel(sheet.width - 30, sheet.height - 60)).toEqual(white);
  });

  it("fits a wide picture into its square without stretching it", async () => {
    const sheet = await draw([{ image: plain(200, 50), caption: [] }], { tileSize: 160 });
    const exact = 160 * 40;
    expect(sheet.count(blue)).toBeGreaterThan(exact * 0.94);
    expect(sheet.count(blue)).toBeLessThanOrEqual(exact);
  });

  it("marks right green and wrong red, and draws no mark where nothing is known", async () => {
    const image = plain(64, 64);
    const right = await draw([{ image, caption: ["star"], correct: true }]);
    const wrong = await draw([{ image, caption: ["star"], correct: false }]);
    const unknown = await draw([{ image, caption: ["star"] }]);
    expect(right.count(green)).toBeGreaterThan(4 * 150 * 3);
    expect(right.count(red)).toBe(0);
    expect(wrong.count(red)).toBeGreaterThan(4 * 150 * 3);
    expect(wrong.count(green)).toBe(0);
    expect(unknown.count(red) + unknown.count(green)).toBe(0);
    expect(unknown.count(blue)).toBe(160 * 160);
  });

  it("cuts a caption that is wider than its tile", async () => {
    const caption = ["a class name that is much wider than a tile of this size"];
    const sheet = await draw([{ image: plain(8, 8), caption }], { tileSize: 80 });
    const narrow = await draw([{ image: plain(8, 8), caption: ["x"] }], { tileSize: 80 });
    expect([sheet.width, sheet.height]).toEqual([narrow.width, narrow.height]);
    for (let y = 0; y < sheet.height; y++) {
      expect(sheet.pixel(4, y)).toEqual(white);
      expect(sheet.pixel(sheet.width - 5, y)).toEqual(white);
    }
  });

  it("writes a title above the tiles, markup included", async () => {
    const items = [{ image: plain(8, 8), caption: [] }];
    const without = await draw(items);
    const titled = await draw(items, { title: `<&> "x"` });
    expect(titled.height).toBeGreaterThan(without.height);
    expect(titled.count([0x1f, 0x29, 0x33])).toBeGreaterThan(20);
  });

  it("takes file bytes, grey pixels and pixels with alpha, and turns a picture as its EXIF says", async () => {
    const { data, width, height, channels } = plain(40, 20);
    const turned = await sharp(data, { raw: { width, height, channels } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const grey = { data: new Uint8Array(16).fill(77), width: 4, height: 4, channels: 1 as const };
    const clear = { data: new Uint8Array(64), width: 4, height: 4, channels: 4 as const };
    const items = [turned, grey, clear].map((image) => ({ image, caption: [] }));
    const sheet = await draw(items, { columns: 3, tileSize: 100 });
    expect(sheet.pixel(14 + 50, 14 + 3)).toEqual(blue);
    expect(sheet.pixel(14 + 3, 14 + 50)).not.toEqual(blue);
    expect(sheet.pixel(14 + 114 + 50, 14 + 50)).toEqual([77, 77, 77]);
    expect(sheet.pixel(14 + 228 + 50, 14 + 50)).toEqual(white);
  });

  it("refuses what it cannot draw, by name", async () => {
    const item = { image: plain(4, 4), caption: [] };
    await expect(contactSheet([])).rejects.toMatchObject({ code: "ERR_CONTACT_SHEET" });
    await expect(contactSheet([item], { columns: 0 })).rejects.toThrow(/"columns".*not 0/);
    await expect(contactSheet([item], { tileSize: 1.5 })).rejects.toThrow(/"tileSize".*not 1.5/);
    await expect(contactSheet([item, { image: "no/such.png", caption: [] }])).rejects.toMatchObject({
      code: "ERR_IMAGE_MISSING",
      path: "no/such.png",
    });
    const short = { data: new Uint8Array(3), width: 4, height: 4, channels: 3 as const };
    await expect(contactSheet([{ image: short, caption: [] }])).rejects.toMatchObject({
      code: "ERR_IMAGE_PIXELS",
    });
  });
});
