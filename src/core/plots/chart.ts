/** Draws charts: axes with ticks and grid, lines, dots and bars, as a PNG file. Text is drawn as outlines, the same everywhere. */
import { scaleLinear, type ScaleContinuousNumeric } from "d3-scale";
import { line } from "d3-shape";
import { writeFileAtomically } from "../../atomic_write.js";
import { sharp } from "../../data/image/sharp.js";
import { measureText, shortenText, textPath } from "../../data/image/text.js";

const WIDTH = 800;
const HEIGHT = 500;
const MARGIN = { top: 36, right: 24, bottom: 60, left: 80 };
const TEXT = 15;
const BAR = 32;
const LONGEST_NAME = 300;

/** What lines, dots and bars are drawn in. */
export const COLORS = { line: "#1f77b4", mark: "#d62728", dot: "#9ab8d3", axis: "#444444", grid: "#e4e4e4" };

type Point = [x: number, y: number];

/** A chart over a plane. */
export interface XYChart {
  xLabel: string;
  yLabel: string;
  /** Maps x to pixels; its range is set here. */
  x: ScaleContinuousNumeric<number, number>;
  /** How many ticks x has at most, and their format. */
  xTicks: { count: number; format: string };
  lines?: { points: Point[]; color: string }[];
  dots?: { points: Point[]; color: string; radius: number }[];
}

export async function drawXYChart(
  path: string,
  { xLabel, yLabel, x, xTicks, lines = [], dots = [] }: XYChart,
): Promise<void> {
  x.range([MARGIN.left, WIDTH - MARGIN.right]);
  const heights = [...lines, ...dots].flatMap(({ points }) => points.map(([, height]) => height));
  const extent = heights.reduce(
    ([low, high], height) => [Math.min(low!, height), Math.max(high!, height)],
    [Infinity, -Infinity],
  );
  const y = scaleLinear()
    .domain(heights.length === 0 ? [0, 1] : extent)
    .nice()
    .range([HEIGHT - MARGIN.bottom, MARGIN.top]);
  const curve = line<Point>()
    .x(([value]) => x(value))
    .y(([, value]) => y(value));
  const format = x.tickFormat(xTicks.count, xTicks.format);
  const yFormat = y.tickFormat(6);
  await drawSvg(path, WIDTH, HEIGHT, [
    ...y
      .ticks(6)
      .flatMap((tick) => [
        `<path stroke="${COLORS.grid}" d="M${MARGIN.left} ${y(tick)}H${WIDTH - MARGIN.right}"/>`,
        text(yFormat(tick), { x: MARGIN.left - 10, y: y(tick) + TEXT / 3, align: 1 }),
      ]),
    ...x
      .ticks(xTicks.count)
      .flatMap((tick) => [
        `<path stroke="${COLORS.axis}" d="M${x(tick)} ${HEIGHT - MARGIN.bottom}v6"/>`,
        text(format(tick), { x: x(tick), y: HEIGHT - MARGIN.bottom + 24, align: 0.5 }),
      ]),
    `<path stroke="${COLORS.axis}" d="M${MARGIN.left} ${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}"/>`,
    text(xLabel, { x: WIDTH / 2, y: HEIGHT - 12, align: 0.5 }),
    text(yLabel, { x: 14, y: MARGIN.top - 14, align: 0 }),
    ...dots.flatMap(({ points, color, radius }) =>
      points.map(([dx, dy]) => `<circle cx="${x(dx)}" cy="${y(dy)}" r="${radius}" fill="${color}"/>`),
    ),
    ...lines.map(
      ({ points, color }) =>
        `<path fill="none" stroke="${color}" stroke-width="2" d="${curve(points) ?? ""}"/>`,
    ),
  ]);
}

/** Bars to the right, one below the other, each with its name before and its number behind it. */
export async function drawBarChart(
  path: string,
  { label, bars }: { label: string; bars: readonly { name: string; value: number; text: string }[] },
): Promise<void> {
  const names = bars.map(({ name }) => shortenText(name, { size: TEXT, maxWidth: LONGEST_NAME }));
  const left = Math.max(...names.map((name) => measureText(name, TEXT))) + 2 * MARGIN.right;
  const right = Math.max(...bars.map((bar) => measureText(bar.text, TEXT))) + MARGIN.right;
  const x = scaleLinear()
    .domain([0, Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE)])
    .range([left, WIDTH - right]);
  const height = MARGIN.top + bars.length * BAR + MARGIN.bottom / 2;
  const parts = bars.flatMap(({ value, text: number }, i) => {
    const top = MARGIN.top + i * BAR;
    const baseline = top + BAR / 2 + TEXT / 3;
    return [
      text(names[i]!, { x: left - 10, y: baseline, align: 1 }),
      `<rect x="${left}" y="${top + 4}" width="${x(value) - left}" height="${BAR - 8}" fill="${COLORS.line}"/>`,
      text(number, { x: x(value) + 8, y: baseline, align: 0 }),
    ];
  });
  const axis = `<path stroke="${COLORS.axis}" d="M${left} ${MARGIN.top}V${MARGIN.top + bars.length * BAR}"/>`;
  await drawSvg(path, WIDTH, height, [...parts, axis, text(label, { x: 14, y: MARGIN.top - 14, align: 0 })]);
}

async function drawSvg(path: string, width: number, height: number, parts: readonly string[]): Promise<void> {
  const ground = `<rect width="100%" height="100%" fill="white"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${ground}${parts.join("")}</svg>`;
  await writeFileAtomically(path, await sharp(Buffer.from(svg)).png().toBuffer());
}

/** @param options.align the share of the text that lies left of x */
function text(label: string, { x, y, align }: { x: number; y: number; align: number }): string {
  const left = x - align * measureText(label, TEXT);
  return `<path fill="${COLORS.axis}" d="${textPath(label, { x: left, y, size: TEXT })}"/>`;
}
