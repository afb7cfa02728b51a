/** A contact sheet: pictures in a grid with caption lines, as one PNG for looking at predictions. */
import type { OverlayOptions } from "sharp";
import { decodeImage } from "../../data/image/decode.js";
import { sharp } from "../../data/image/sharp.js";
import type { ImageSource } from "../../data/image/source.js";
import { measureText, shortenText, textAscent, textPath } from "../../data/image/text.js";
import { ConfigurationError } from "../../errors.js";

/** A picture of a contact sheet, with what is written below it. */
export interface ContactSheetItem {
  image: ImageSource;
  /** The lines under the picture; each is cut with an ellipsis where it is wider than the tile. */
  caption: readonly string[];
  /** Draws a green frame and tick (true) or a red frame and cross (false). */
  correct?: boolean;
}

/** Options of `contactSheet`. */
export interface ContactSheetOptions {
  /** Tiles in a row. Default: as many as make the grid about square. */
  columns?: number;
  /** Edge of the square that a picture is fitted into, in pixels. Default 160. */
  tileSize?: number;
  /** A line above the grid. Default: none. */
  title?: string;
}

const gap = 14;
const frame = 3;
const colors = {
  background: "#ffffff",
  ground: "#eef0f3",
  text: "#1f2933",
  right: "#1a8f4c",
  wrong: "#d1313d",
};

/**
 * Draws `items` row by row and returns the sheet as PNG bytes. It looks the same on every machine.
 * @throws ConfigurationError `ERR_CONTACT_SHEET` where there are no items or an option is out of range.
 * @throws DataError `ERR_IMAGE_…` where a picture cannot be read; see `decodeImage`.
 */
export async function contactSheet(
  items: readonly ContactSheetItem[],
  { columns = Math.ceil(Math.sqrt(items.length)), tileSize = 160, title }: ContactSheetOptions = {},
): Promise<Buffer> {
  if (items.length === 0) {
    throw new ConfigurationError(
      "ERR_CONTACT_SHEET",
      "A contact sheet needs at least one item, but the list is empty.",
    );
  }
  requireInteger("columns", columns, 1);
  requireInteger("tileSize", tileSize, 16);
  const grid = layOut(items, columns, tileSize, title);
  const pictures: OverlayOptions[] = [];
  for (const [index, { image }] of items.entries()) {
    const input = await renderTile(image, tileSize);
    pictures.push({ input, left: grid.left(index), top: grid.top(index) });
  }
  const drawing = [...drawTitle(grid, title), ...items.flatMap((item, index) => drawItem(item, index, grid))];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${grid.width}" height="${grid.height}">${drawing.join("")}</svg>`;
  return sharp({
    create: { width: grid.width, height: grid.height, channels: 3, background: colors.background },
  })
    .composite([...pictures, { input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

type Grid = ReturnType<typeof layOut>;

/** Where everything stands, in pixels. */
function layOut(items: readonly ContactSheetItem[], columns: number, tileSize: number, title?: string) {
  const textSize = Math.max(10, Math.round(tileSize / 11));
  const lineHeight = Math.round(textSize * 1.3);
  const titleSize = Math.round(textSize * 1.4);
  const captionLines = Math.max(...items.map(({ caption }) => caption.length));
  const header = title === undefined ? 0 : titleSize + gap;
  const rowHeight = tileSize + Math.round(textSize * 0.3) + captionLines * lineHeight + gap;
  const usedColumns = Math.min(columns, items.length);
  return {
    tileSize,
    textSize,
    lineHeight,
    titleSize,
    width: usedColumns * (tileSize + gap) + gap,
    height: header + Math.ceil(items.length / columns) * rowHeight + gap,
    left: (index: number) => gap + (index % columns) * (tileSize + gap),
    top: (index: number) => gap + header + Math.floor(index / columns) * rowHeight,
  };
}

async function renderTile(image: ImageSource, tileSize: number): Promise<Buffer> {
  const { data, width, height, channels } = await decodeImage(image);
  return sharp(data, { raw: { width, height, channels } })
    .resize(tileSize, tileSize, { fit: "contain", background: colors.ground })
    .png({ compressionLevel: 1 })
    .toBuffer();
}

function drawTitle(grid: Grid, title?: string): string[] {
  if (title === undefined) return [];
  const size = grid.titleSize;
  const text = shortenText(title, { size, maxWidth: grid.width - 2 * gap });
  return [fill(textPath(text, { x: gap, y: gap + textAscent * size, size }), colors.text)];
}

function drawItem({ caption, correct }: ContactSheetItem, index: number, grid: Grid): string[] {
  const { tileSize, textSize: size, lineHeight } = grid;
  const left = grid.left(index);
  const top = grid.top(index);
  const color = correct === undefined ? colors.text : correct ? colors.right : colors.wrong;
  const lines = caption.map((line, row) => {
    const text = shortenText(line, { size, maxWidth: tileSize });
    const x = left + (tileSize - measureText(text, size)) / 2;
    const y = top + tileSize + size * 0.3 + row * lineHeight + textAscent * size;
    return fill(textPath(text, { x, y, size }), row === 0 ? color : colors.text);
  });
  return correct === undefined ? lines : [...lines, drawMark(correct, left, top, grid)];
}

/** The coloured frame, and in the picture's top right corner a disc with a tick or a cross. */
function drawMark(correct: boolean, left: number, top: number, { tileSize }: Grid): string {
  const color = correct ? colors.right : colors.wrong;
  const radius = tileSize * 0.085;
  const x = left + tileSize - radius * 1.5;
  const y = top + radius * 1.5;
  const sign = correct ? "M-.5 .05L-.15 .4L.5 -.35" : "M-.38 -.38L.38 .38M.38 -.38L-.38 .38";
  const edge = tileSize - frame;
  return `<rect x="${left + frame / 2}" y="${top + frame / 2}" width="${edge}" height="${edge}" fill="none" stroke="${color}" stroke-width="${frame}"/>
    <circle cx="${x}" cy="${y}" r="${radius}" fill="${color}" stroke="#fff" stroke-width="${radius * 0.15}"/>
    <path transform="translate(${x} ${y}) scale(${radius})" d="${sign}" fill="none" stroke="#fff" stroke-width=".24" stroke-linecap="round" stroke-linejoin="round"/>`;
}

function fill(path: string, color: string): string {
  return `<path fill="${color}" d="${path}"/>`;
}

function requireInteger(option: string, value: number, smallest: number): void {
  if (Number.isInteger(value) && value >= smallest) return;
  throw new ConfigurationError(
    "ERR_CONTACT_SHEET",
    `The contact sheet's "${option}" must be a whole number of at least ${smallest}, not ${value}.`,
  );
}
