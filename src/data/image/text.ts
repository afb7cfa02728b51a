/**
 * Text for drawn pictures: glyph outlines of DejaVu Sans (from the package `@fontsource/dejavu-sans`) as SVG paths.
 *
 * Outlines look the same on every machine, whereas SVG `<text>` depends on the fonts installed there, and libvips'
 * own text cannot load a font file on macOS. Characters stand one after the other, left to right: scripts whose
 * letters join or run from right to left are not shaped. A character outside the font shows as an empty box.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Font, Glyph, Path } from "opentype.js";
import { lazyPackage } from "../../lazy_package.js";
import { sharp } from "./sharp.js";

const opentype = lazyPackage<typeof import("opentype.js")>("opentype.js");
const fontFile = "@fontsource/dejavu-sans/files/dejavu-sans-latin-400-normal.woff";
/** Of coordinates in pixels. */
const DECIMALS = 2;
const combiningMark = /^\p{Mark}$/u;
const lineBreaks = /[\p{Control}\p{Line_Separator}\p{Paragraph_Separator}]+/gu;
const invisible = /\p{Format}/gu;

/** Distances from the baseline as fractions of the font size. */
export const textAscent = 0.93;
export const textDescent = 0.24;

let font: Font | undefined;

/** Width of `text` in pixels when drawn at `size` pixels per em. */
export function measureText(text: string, size: number): number {
  return place(text, size).width;
}

/**
 * SVG path data of `text` drawn at `size` pixels per em, its baseline starting at (x, y). The data holds only commands
 * and numbers, so nothing of the text needs escaping. Line breaks become spaces.
 */
export function textPath(text: string, { x, y, size }: { x: number; y: number; size: number }): string {
  return place(text, size)
    .glyphs.map(({ glyph, offset }) => rounded(glyph.getPath(x + offset, y, size)).toPathData(DECIMALS))
    .join("");
}

/** opentype.js makes NaN of numbers that JavaScript writes with an exponent, as it does those below a millionth. */
function rounded(path: Path): Path {
  for (const command of path.commands) {
    for (const [key, value] of Object.entries(command)) {
      if (typeof value === "number") Object.assign(command, { [key]: Number(value.toFixed(DECIMALS)) });
    }
  }
  return path;
}

/** `text` itself where it fits into `maxWidth` pixels at `size`, else its beginning and an ellipsis. */
export function shortenText(text: string, { size, maxWidth }: { size: number; maxWidth: number }): string {
  if (measureText(text, size) <= maxWidth) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && measureText(`${characters.join("")}…`, size) > maxWidth) characters.pop();
  return `${characters.join("").trimEnd()}…`;
}

/**
 * One line of text as RGBA pixels on a transparent ground.
 * @param options.size pixels per em. Default 16.
 * @param options.color any SVG colour. Default "black".
 */
export async function renderText(
  text: string,
  { size = 16, color = "black" }: { size?: number; color?: string } = {},
): Promise<{ data: Buffer; width: number; height: number }> {
  const width = Math.max(1, Math.ceil(measureText(text, size)));
  const height = Math.ceil((textAscent + textDescent) * size);
  const path = textPath(text, { x: 0, y: textAscent * size, size });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <path fill="${escapeXml(color)}" d="${path}"/></svg>`;
  const data = await sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer();
  return { data, width, height };
}

/** `text` made safe for XML content and attribute values. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

function place(text: string, size: number): { glyphs: { glyph: Glyph; offset: number }[]; width: number } {
  const { unitsPerEm } = loadFont();
  const glyphs: { glyph: Glyph; offset: number }[] = [];
  let width = 0;
  for (const character of text.normalize("NFC").replace(lineBreaks, " ").replace(invisible, "")) {
    const glyph = loadFont().charToGlyph(character);
    glyphs.push({ glyph, offset: width });
    if (!combiningMark.test(character)) width += ((glyph.advanceWidth ?? 0) / unitsPerEm) * size;
  }
  return { glyphs, width };
}

function loadFont(): Font {
  if (font === undefined) {
    const bytes = readFileSync(createRequire(import.meta.url).resolve(fontFile));
    font = opentype().parse(new Uint8Array(bytes).buffer);
  }
  return font;
}
