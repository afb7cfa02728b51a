/** Drawn text against FreeType's metrics of the same font, on machines with and without fonts. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import {
  escapeXml,
  measureText,
  renderText,
  shortenText,
  textAscent,
  textPath,
} from "../../src/data/image/text.js";

interface Metrics {
  advance: number;
  inkWidth: number;
  inkTop: number;
  inkBottom: number;
}
const goldenFile = resolve(import.meta.dirname, "../golden/text.json");
const golden = JSON.parse(readFileSync(goldenFile, "utf8")) as {
  size: number;
  glyphs: Record<string, Metrics>;
};

/** The smallest box around pixels that are at least half covered. */
function inkBox({ data, width, height }: { data: Uint8Array; width: number; height: number }) {
  const box = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[(y * width + x) * 4 + 3]! < 128) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
    }
  }
  return box;
}

describe.each(Object.entries(golden.glyphs))("the glyph %s", (character, expected) => {
  it("is as wide as FreeType says", () => {
    expect(Math.abs(measureText(character, golden.size) - expected.advance)).toBeLessThanOrEqual(1);
  });

  it("covers the area that FreeType covers", async () => {
    const size = 200;
    const scale = size / golden.size;
    const box = inkBox(await renderText(character, { size }));
    const baseline = textAscent * size;
    expect(Math.abs(box.right - box.left - expected.inkWidth * scale)).toBeLessThan(2);
    expect(Math.abs(baseline - box.top - expected.inkTop * scale)).toBeLessThan(2);
    expect(Math.abs(baseline - box.bottom - expected.inkBottom * scale)).toBeLessThan(2);
  });
});

describe("textPath", () => {
  async function draw(path: string): Promise<Buffer> {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40"><path d="${path}"/></svg>`;
    return sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer();
  }

  // Where a coordinate is almost 0, opentype.js alone writes NaN, at which renderers stop drawing.
  it.each([1e-7, -1e-7, 3e-16])(
    "draws whole glyphs where they are %s pixels beside the origin",
    async (shift) => {
      const text = "raccoon 91 % (g)!";
      // The letters stand on the upper edge or begin at the left one, or the tops of those without ascenders are at the upper edge.
      const xHeight = (1120 / 2048) * 12;
      for (const [x, y] of [
        [0, 0],
        [0, 20],
        [4, xHeight],
      ] as const) {
        const beside = textPath(text, { x: x + shift, y: y + shift, size: 12 });
        expect(beside).not.toMatch(/NaN/);
        const [pixels, wanted] = [await draw(beside), await draw(textPath(text, { x, y, size: 12 }))];
        // Coordinates have two decimals, of which the last may differ.
        expect(Math.max(...pixels.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(8);
      }
    },
  );
});

describe("renderText", () => {
  it("draws in the colour asked for", async () => {
    const { data } = await renderText("M", { size: 100, color: "#1a2b3c" });
    const inked = data.findIndex((value, index) => index % 4 === 3 && value === 255);
    expect([...data.subarray(inked - 3, inked + 1)]).toEqual([0x1a, 0x2b, 0x3c, 255]);
  });

  it("shows an empty box for a character outside the font", async () => {
    const one = await renderText("日", { size: 40 });
    const other = await renderText("🙂", { size: 40 });
    expect(inkBox(one).right).toBeGreaterThan(10);
    expect(other.data.equals(one.data)).toBe(true);
  });

  it("draws markup as it stands", async () => {
    const text = `<b>&amp;"'</b>`;
    const { width } = await renderText(text, { size: 20 });
    const sum = Array.from(text).reduce((total, character) => total + measureText(character, 20), 0);
    expect(width).toBe(Math.ceil(sum));
  });

  it("writes line breaks as spaces, composes accents, and takes empty text", async () => {
    expect(measureText("a\r\nb", 20)).toBe(measureText("a b", 20));
    expect(measureText("e\u0301", 20)).toBe(measureText("é", 20));
    expect(await renderText("", { size: 10 })).toMatchObject({ width: 1, height: 12 });
  });

  it("gives the same pixels where no font is installed", { timeout: 60_000 }, async () => {
    const module = resolve(import.meta.dirname, "../../src/data/image/text.ts");
    const script = `import { renderText } from ${JSON.stringify(module)};
      const { data } = await renderText("Żółw 97 %", { size: 30 });
      process.stdout.write(data.toString("base64"));`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", "--conditions=kindling-source", "--input-type=module", "--eval", script],
      {
        encoding: "utf8",
        cwd: resolve(import.meta.dirname, "../.."),
        env: { PATH: process.env.PATH, FONTCONFIG_FILE: "/dev/null", HOME: "/nonexistent" },
      },
    );
    const { data } = await renderText("Żółw 97 %", { size: 30 });
    expect(stderr).not.toContain("Fontconfig");
    expect(sha256(Buffer.from(stdout, "base64"))).toBe(sha256(data));
  });
});

describe("shortenText", () => {
  it("keeps what fits and cuts the rest with an ellipsis inside the width", () => {
    expect(shortenText("fish", { size: 20, maxWidth: 200 })).toBe("fish");
    const short = shortenText("a very long class name", { size: 20, maxWidth: 100 });
    expect(short).toMatch(/^a v.*…$/);
    expect(measureText(short, 20)).toBeLessThanOrEqual(100);
    const longer = `a very long class name`.slice(0, short.length) + "…";
    expect(measureText(longer, 20)).toBeGreaterThan(100);
  });
});

it("escapeXml makes any text safe in content and attributes", async () => {
  const color = `red" onload='<x>&`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><desc>${escapeXml(color)}</desc><g id="${escapeXml(color)}"/></svg>`;
  expect((await sharp(Buffer.from(svg)).metadata()).width).toBe(4);
  expect(escapeXml(color)).toBe("red&quot; onload=&apos;&lt;x&gt;&amp;");
});

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
