/** Draws a confusion matrix. */
import { sharp } from "../data/image/sharp.js";
import { measureText, shortenText, textPath } from "../data/image/text.js";
import { ConfigurationError } from "../errors.js";

/** Options of `plotConfusionMatrix`. */
export interface ConfusionMatrixPlotOptions {
  /** `matrix[target][prediction]`: counts. */
  matrix: readonly (readonly number[])[];
  /** The names of the classes, in the order of the matrix. */
  labels: readonly string[];
}

const MARGIN = 12;
const LONGEST_LABEL = 220;
const COLORS = { ink: "#1f2933", light: "#ffffff", grid: "#e4e7eb" };

/**
 * A PNG: rows are the true classes, columns the predicted ones; a cell is the darker the larger its share of the row.
 *
 * @throws ConfigurationError `ERR_CONFUSION_MATRIX` for a matrix that is empty or does not fit the labels
 */
export async function plotConfusionMatrix({ matrix, labels }: ConfusionMatrixPlotOptions): Promise<Buffer> {
  const count = labels.length;
  if (count === 0 || matrix.length !== count || matrix.some((row) => row.length !== count)) {
    throw new ConfigurationError(
      "ERR_CONFUSION_MATRIX",
      `A confusion matrix of ${matrix.length} rows does not fit ${count} labels: it has a row and a column for each.`,
    );
  }
  const cell = Math.max(14, Math.min(48, Math.floor(900 / count)));
  const size = Math.max(8, Math.min(14, Math.floor(cell * 0.6)));
  const names = labels.map((label) => shortenText(label, { size, maxWidth: LONGEST_LABEL }));
  const side = Math.max(...names.map((name) => measureText(name, size))) + 2 * MARGIN;
  const edge = side + count * cell + MARGIN;
  const parts = [`<rect width="100%" height="100%" fill="${COLORS.light}"/>`];
  matrix.forEach((row, target) => {
    const total = row.reduce((sum, value) => sum + value, 0);
    const top = side + target * cell;
    row.forEach((value, prediction) => {
      const share = total === 0 ? 0 : value / total;
      const left = side + prediction * cell;
      parts.push(
        `<rect x="${left}" y="${top}" width="${cell}" height="${cell}" fill="${shade(share)}" stroke="${COLORS.grid}"/>`,
      );
      const text = String(value);
      const width = measureText(text, size);
      if (value > 0 && width < cell) {
        const place = { x: left + (cell - width) / 2, y: top + cell / 2 + size / 3, size };
        parts.push(`<path fill="${share > 0.5 ? COLORS.light : COLORS.ink}" d="${textPath(text, place)}"/>`);
      }
    });
    const name = names[target]!;
    const baseline = top + cell / 2 + size / 3;
    const start = side - MARGIN / 2 - measureText(name, size);
    parts.push(`<path fill="${COLORS.ink}" d="${textPath(name, { x: start, y: baseline, size })}"/>`);
    const column = side + target * cell + cell / 2 + size / 3;
    parts.push(
      `<path fill="${COLORS.ink}" transform="translate(${column} ${side - MARGIN / 2}) rotate(-90)" ` +
        `d="${textPath(name, { x: 0, y: 0, size })}"/>`,
    );
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${edge}" height="${edge}">${parts.join("")}</svg>`;
  return sharp(Buffer.from(svg), { limitInputPixels: false }).png().toBuffer();
}

/** From white to a dark blue. */
function shade(share: number): string {
  const [red, green, blue] = [255 - 235 * share, 255 - 185 * share, 255 - 115 * share].map(Math.round);
  return `rgb(${red},${green},${blue})`;
}
