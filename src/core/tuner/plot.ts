/** Draws losses over learning rates. */
import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";
import { sharp } from "../../data/image/sharp.js";
import { measureText, textPath } from "../../data/image/text.js";
import { writeFileAtomically } from "../../atomic_write.js";

const WIDTH = 800;
const HEIGHT = 500;
const MARGIN = { top: 24, right: 24, bottom: 60, left: 80 };
const TEXT = 15;
const COLORS = { line: "#1f77b4", mark: "#d62728", axis: "#444444", grid: "#e4e4e4" };

/** @param options.mark a learning rate to put a dot on */
export async function plotLearningRates(
  path: string,
  { lr, loss }: { lr: readonly number[]; loss: readonly number[] },
  { isLogarithmic, mark }: { isLogarithmic: boolean; mark: number | undefined },
): Promise<void> {
  const points = lr.map((x, i) => [x, loss[i]!] as [number, number]).filter(([, y]) => Number.isFinite(y));
  const losses = points.map(([, y]) => y);
  const x = (isLogarithmic ? scaleLog() : scaleLinear())
    .domain([lr[0] ?? 0.1, lr.at(-1) ?? 1])
    .range([MARGIN.left, WIDTH - MARGIN.right]);
  const y = scaleLinear()
    .domain([Math.min(...losses), Math.max(...losses)])
    .nice()
    .range([HEIGHT - MARGIN.bottom, MARGIN.top]);
  const curve = line<[number, number]>()
    .x(([rate]) => x(rate))
    .y(([, value]) => y(value))(points);
  const format = x.tickFormat(8, isLogarithmic ? "~e" : "~g");
  const dot = points.find(([rate]) => rate === mark);
  const parts = [
    `<rect width="100%" height="100%" fill="white"/>`,
    ...y
      .ticks(6)
      .flatMap((tick) => [
        `<path stroke="${COLORS.grid}" d="M${MARGIN.left} ${y(tick)}H${WIDTH - MARGIN.right}"/>`,
        text(y.tickFormat(6)(tick), { x: MARGIN.left - 10, y: y(tick) + TEXT / 3, align: 1 }),
      ]),
    ...x
      .ticks(8)
      .flatMap((tick) => [
        `<path stroke="${COLORS.axis}" d="M${x(tick)} ${HEIGHT - MARGIN.bottom}v6"/>`,
        text(format(tick), { x: x(tick), y: HEIGHT - MARGIN.bottom + 24, align: 0.5 }),
      ]),
    `<path stroke="${COLORS.axis}" d="M${MARGIN.left} ${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}"/>`,
    text("learning rate", { x: WIDTH / 2, y: HEIGHT - 12, align: 0.5 }),
    text("loss", { x: 14, y: MARGIN.top, align: 0 }),
    `<path fill="none" stroke="${COLORS.line}" stroke-width="2" d="${curve ?? ""}"/>`,
    dot && `<circle cx="${x(dot[0])}" cy="${y(dot[1])}" r="6" fill="${COLORS.mark}"/>`,
  ];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">${parts.join("")}</svg>`;
  await writeFileAtomically(path, await sharp(Buffer.from(svg)).png().toBuffer());
}

/** @param options.align the share of the text that lies left of x */
function text(label: string, { x, y, align }: { x: number; y: number; align: number }): string {
  const left = x - align * measureText(label, TEXT);
  return `<path fill="${COLORS.axis}" d="${textPath(label, { x: left, y, size: TEXT })}"/>`;
}
