/** Draws precision over recall. */
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { sharp } from "../../data/image/sharp.js";
import { measureText, shortenText, textPath } from "../../data/image/text.js";
import { ConfigurationError } from "../../errors.js";
import type { PrecisionRecallCurve } from "./mean_average_precision.js";

/** Options of `plotPrecisionRecall`. */
export interface PrecisionRecallPlotOptions {
  /** One for each class, as `report` and `MeanAveragePrecision.curves` give them. */
  curves: readonly PrecisionRecallCurve[];
  /** The names of the classes, in the order of the curves. */
  labels: readonly string[];
  /** A line above the plot. Default: none. */
  title?: string;
}

const SIZE = 520;
const LEGEND = 240;
const MARGIN = { top: 44, right: 16, bottom: 56, left: 64 };
const TEXT = 14;
const COLORS = { axis: "#444444", grid: "#e4e4e4", other: "#b8c0c8" };
/** Far apart for eyes that see few colours (Okabe and Ito). */
const CURVES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b4c9a", "#8c1d18"];

/**
 * A PNG: a curve for each class that there is something to find of, with its average precision in the legend; of more classes
 * than there are colours those beyond are grey, and not in the legend.
 *
 * @throws ConfigurationError `ERR_PRECISION_RECALL` where there is no curve, or not one for each label
 */
export async function plotPrecisionRecall({
  curves,
  labels,
  title = "",
}: PrecisionRecallPlotOptions): Promise<Buffer> {
  if (curves.length === 0 || curves.length !== labels.length) {
    throw new ConfigurationError(
      "ERR_PRECISION_RECALL",
      `${curves.length} curves do not fit ${labels.length} labels: there is one for each.`,
    );
  }
  const x = scaleLinear([0, 1], [MARGIN.left, SIZE - MARGIN.right]);
  const y = scaleLinear([0, 1], [SIZE - MARGIN.bottom, MARGIN.top]);
  const shown = curves
    .map(({ precision }, i) => ({ precision: [...precision], label: labels[i]! }))
    .filter(({ precision }) => precision[0]! >= 0)
    .map(({ precision, label }) => ({ precision, label, average: mean(precision) }));
  const draw = line<number>()
    .x((_, i) => x(i / 100))
    .y((value) => y(value));
  const colorOf = (i: number): string => CURVES[i] ?? COLORS.other;
  const parts = [
    `<rect width="100%" height="100%" fill="white"/>`,
    ...[0, 0.2, 0.4, 0.6, 0.8, 1].flatMap((tick) => [
      `<path stroke="${COLORS.grid}" d="M${x(0)} ${y(tick)}H${x(1)}M${x(tick)} ${y(0)}V${y(1)}"/>`,
      text(tick.toFixed(1), { x: x(0) - 8, y: y(tick) + TEXT / 3, align: 1 }),
      text(tick.toFixed(1), { x: x(tick), y: y(0) + 20, align: 0.5 }),
    ]),
    text("recall", { x: (x(0) + x(1)) / 2, y: SIZE - 12, align: 0.5 }),
    text("precision", { x: 12, y: MARGIN.top - 14, align: 0 }),
    text(title, { x: (x(0) + x(1)) / 2, y: 20, align: 0.5 }),
    ...shown
      .map(
        ({ precision }, i) =>
          `<path fill="none" stroke="${colorOf(i)}" stroke-width="2" d="${draw(precision)}"/>`,
      )
      .reverse(),
    ...shown.slice(0, CURVES.length).flatMap(({ label, average }, i) => {
      const top = MARGIN.top + i * TEXT * 1.7;
      const name = shortenText(label, { size: TEXT, maxWidth: LEGEND - 100 });
      return [
        `<rect x="${SIZE + 8}" y="${top}" width="${TEXT}" height="${TEXT}" fill="${colorOf(i)}"/>`,
        text(`${name}  ${average.toFixed(3)}`, { x: SIZE + 14 + TEXT, y: top + TEXT * 0.85, align: 0 }),
      ];
    }),
  ];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE + LEGEND}" height="${SIZE}">${parts.join("")}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param options.align the share of the text that lies left of x */
function text(label: string, { x, y, align }: { x: number; y: number; align: number }): string {
  const left = x - align * measureText(label, TEXT);
  return `<path fill="${COLORS.axis}" d="${textPath(label, { x: left, y, size: TEXT })}"/>`;
}
