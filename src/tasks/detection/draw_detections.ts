/** Draws boxes with their labels on a picture. */
import { decodeImage, type ImageSource } from "../../data/index.js";
import { sharp } from "../../data/image/sharp.js";
import { measureText, shortenText, textAscent, textDescent, textPath } from "../../data/image/text.js";
import type { Box } from "./boxes.js";

/** A box to draw; a `Detection` is one. */
export interface DrawnBox {
  box: Box;
  /** What is written on it. */
  label: string;
  /** Written behind the label in percent, where it is given. */
  score?: number;
  /** Boxes of one class have one colour. */
  classId: number;
}

/** Dark enough for white letters (contrast 4.5 and more), and far apart for eyes that see few colours (Okabe and Ito). */
const COLORS = ["#0059a3", "#b34700", "#00735c", "#a3195b", "#6b4c9a", "#7a5c00", "#00687a", "#8c1d18"];
const PADDING = 0.25;

/** Of true boxes, whatever their class. */
const TRUE_COLOR = "#00c853";

/** What else is drawn, and how large. */
export interface DrawOptions {
  /** True boxes, drawn below, dashed, in one colour. Default: none. */
  truth?: readonly Box[];
  /** Lines and letters are so much larger. Default: 1. */
  scale?: number;
}

/**
 * The picture with the boxes, as PNG bytes; it has the size of the picture itself. Lines and letters grow with it.
 *
 * @throws DataError as `decodeImage` does
 */
export async function drawDetections(
  image: ImageSource,
  boxes: readonly DrawnBox[],
  { truth = [], scale = 1 }: DrawOptions = {},
): Promise<Buffer> {
  const { data, width, height, channels } = await decodeImage(image);
  const unit = scale * Math.max(1, Math.sqrt(width * height) / 300);
  const size = { width, height, line: 1.5 * unit, text: Math.max(11, 8 * unit) };
  const drawing = [
    ...truth.map((box) => frameOf(box, TRUE_COLOR, { ...size, line: 1.5 * size.line, dashed: true })),
    ...boxes.map(({ box, classId }) => frameOf(box, colorOf(classId), size)),
    ...boxes.map((box) => tagOf(box, size)),
  ].join("");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${drawing}</svg>`;
  return sharp(data, { raw: { width, height, channels } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

interface Sizes {
  width: number;
  height: number;
  line: number;
  text: number;
  dashed?: boolean;
}

function colorOf(classId: number): string {
  return COLORS[classId % COLORS.length]!;
}

/** A white line below the coloured one keeps it visible on dark ground. */
function frameOf({ xmin, ymin, xmax, ymax }: Box, color: string, { line, dashed = false }: Sizes): string {
  const place = `x="${xmin}" y="${ymin}" width="${xmax - xmin}" height="${ymax - ymin}" fill="none"`;
  const dashes = dashed ? ` stroke-dasharray="${4 * line} ${2 * line}"` : "";
  return (
    `<rect ${place} stroke="#fff" stroke-opacity="0.7" stroke-width="${line * 2}"/>` +
    `<rect ${place} stroke="${color}" stroke-width="${line}"${dashes}/>`
  );
}

/** The label on its own ground: above the box, or within it where there is no room. */
function tagOf({ box, label, score, classId }: DrawnBox, { width, line, text: size }: Sizes): string {
  const full = score === undefined ? label : `${label} ${Math.round(100 * score)} %`;
  const text = shortenText(full, { size, maxWidth: width - 2 * PADDING * size });
  const tagWidth = measureText(text, size) + 2 * PADDING * size;
  const tagHeight = (textAscent + textDescent) * size;
  const x = Math.max(0, Math.min(box.xmin - line / 2, width - tagWidth));
  const y = box.ymin >= tagHeight ? box.ymin - tagHeight : Math.max(0, box.ymin);
  const path = textPath(text, { x: x + PADDING * size, y: y + textAscent * size, size });
  return (
    `<rect x="${x}" y="${y}" width="${tagWidth}" height="${tagHeight}" fill="${colorOf(classId)}"/>` +
    `<path fill="#fff" d="${path}"/>`
  );
}
