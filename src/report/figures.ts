/** The charts of a report. */
import { shortenText } from "../data/image/text.js";
import type { CalibrationBin } from "../tasks/classification_report.js";
import { drawChart, type Chart } from "../core/plots/chart.js";
import type { MetricPoint } from "./run_folder.js";

/** Far apart for eyes that see few colours (Okabe and Ito). */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b4c9a", "#8c1d18"];
const GREY = "#b8c0c8";
const WIDTH = 720;
const HEIGHT = 320;
const LEGEND = 200;
const LINE_HEIGHT = 18;
const LABEL = { size: 12, maxWidth: LEGEND - 24 };
const AXIS_LABEL = { size: 12, maxWidth: 130 };
/** Classes that a matrix shows; of more, those that are confused most. */
const MOST_IN_MATRIX = 60;

interface Series {
  name: string;
  points: readonly { x: number; y: number }[];
}

interface LineChart {
  name: string;
  x: string;
  y: string;
  series: readonly Series[];
  /** Whether both axes go from 0 to 1. */
  isShare?: boolean;
  diagonal?: boolean;
  dots?: boolean;
}

/**
 * One chart for each metric, in which its training, validation and test stand together. What was logged once, as the count of
 * parameters is, makes no curve.
 */
export async function learningCurves(curves: ReadonlyMap<string, readonly MetricPoint[]>): Promise<Chart[]> {
  const groups = new Map<string, Series[]>();
  for (const [metric, points] of curves) {
    const name = metric.replace(/^(train|val|test)_|_(epoch|step)$/g, "");
    const series = { name: metric, points: points.map(({ step, value }) => ({ x: step, y: value })) };
    groups.set(name, [...(groups.get(name) ?? []), series]);
  }
  const charts: Chart[] = [];
  for (const [name, unordered] of groups) {
    if (unordered.every(({ points }) => points.length < 2)) continue;
    const series = unordered.sort((a, b) => rank(a.name) - rank(b.name));
    charts.push(await lineChart({ name: `curve-${fileName(name)}`, x: "step", y: name, series, dots: true }));
  }
  return charts;
}

/** Training comes first, so that it has the same colour in every chart. */
function rank(metric: string): number {
  return ["train", "val", "test"].findIndex((part) => metric.startsWith(`${part}_`));
}

export function precisionRecall(
  curves: readonly { precision: ArrayLike<number> }[],
  labels: readonly string[],
): Promise<Chart> {
  const series = curves.map(({ precision }, i) => ({
    name: labels[i]!,
    points: Array.from(precision, (y, k) => ({ x: k / (precision.length - 1), y })),
  }));
  const shown = series.filter(({ points }) => points.some(({ y }) => y > 0));
  return lineChart({ name: "precision-recall", x: "recall", y: "precision", series: shown, isShare: true });
}

export function calibrationChart(bins: readonly CalibrationBin[]): Promise<Chart> {
  const points = bins.map(({ confidence, accuracy }) => ({ x: confidence, y: accuracy }));
  const series = [{ name: "predictions", points }];
  const axes = { x: "confidence", y: "share that is right", isShare: true };
  return lineChart({ name: "calibration", ...axes, series, diagonal: true, dots: true });
}

function lineChart({ name, x, y, series, isShare = false, diagonal = false, dots = false }: LineChart) {
  const colorOf = (i: number): string => COLORS[i] ?? GREY;
  const named = series.slice(0, COLORS.length);
  const rest = series.length - named.length;
  const domain = isShare ? { domain: [0, 1] } : {};
  return drawChart(name, (plot) => ({
    width: (isShare ? HEIGHT * 1.25 : WIDTH - LEGEND) + LEGEND,
    height: isShare ? HEIGHT * 1.25 : HEIGHT,
    marginRight: LEGEND,
    marginLeft: 64,
    marginTop: 32,
    marginBottom: 44,
    x: { label: x, labelArrow: "none", labelAnchor: "center", grid: true, ...domain },
    y: { label: y, labelArrow: "none", grid: true, nice: !isShare, ...domain },
    marks: [
      ...(diagonal
        ? [
            plot.line(
              [
                { x: 0, y: 0 },
                { x: 1, y: 1 },
              ],
              { x: "x", y: "y", stroke: GREY },
            ),
          ]
        : []),
      ...[...series.entries()].reverse().flatMap(([i, { points }]) => {
        const mark = { x: "x", y: "y" };
        const line = plot.line(points, { ...mark, stroke: colorOf(i), strokeWidth: 2 });
        return dots && points.length <= 40
          ? [line, plot.dot(points, { ...mark, fill: colorOf(i), r: 3 })]
          : [line];
      }),
      ...[...named.map((one) => one.name), ...(rest > 0 ? [`and ${rest} more`] : [])].map((text, i) =>
        plot.text([shortenText(text, LABEL)], {
          frameAnchor: "top-right",
          textAnchor: "start",
          dx: 12,
          dy: i * LINE_HEIGHT,
          fill: colorOf(i),
        }),
      ),
    ],
  }));
}

/** Rows are the true classes, columns what was said. */
export function confusionChart(
  matrix: readonly (readonly number[])[],
  labels: readonly string[],
): Promise<Chart> {
  const shown = mostConfused(matrix);
  const names = new Map(shown.map((id) => [id, shortenText(labels[id]!, AXIS_LABEL)]));
  const cells = shown.flatMap((target) => {
    const total = matrix[target]!.reduce((sum, count) => sum + count, 0);
    return shown.map((said) => {
      const count = matrix[target]![said]!;
      return { target, said, count, share: total === 0 ? 0 : count / total };
    });
  });
  const cell = Math.max(14, Math.min(48, Math.floor(900 / shown.length)));
  const margin = AXIS_LABEL.maxWidth + 50;
  const axis = { domain: shown, tickFormat: (id: number) => names.get(id)!, padding: 0.04 };
  const text = { x: "said", y: "target", text: "count", fontSize: Math.min(12, cell * 0.45) };
  const filled = cells.filter(({ count }) => count > 0 && cell >= 18);
  return drawChart("confusion-matrix", (plot) => ({
    width: margin + shown.length * cell + 20,
    height: margin + shown.length * cell + 20,
    marginLeft: margin,
    marginTop: margin,
    marginRight: 20,
    marginBottom: 20,
    x: { ...axis, type: "band", axis: "top", tickRotate: -90, label: "predicted", labelArrow: "none" },
    y: { ...axis, type: "band", label: "true", labelArrow: "none" },
    color: { type: "linear", domain: [0, 1], scheme: "blues" },
    marks: [
      plot.cell(cells, { x: "said", y: "target", fill: "share" }),
      plot.text(
        filled.filter(({ share }) => share <= 0.5),
        { ...text, fill: "#1f2933" },
      ),
      plot.text(
        filled.filter(({ share }) => share > 0.5),
        { ...text, fill: "white" },
      ),
    ],
  }));
}

/** Whether a matrix shows only some of the classes. */
export function isCut(matrix: readonly unknown[]): boolean {
  return matrix.length > MOST_IN_MATRIX;
}

/** The classes with the most mistakes, in their own order. */
function mostConfused(matrix: readonly (readonly number[])[]): number[] {
  const mistakes = matrix.map((row, id) =>
    row.reduce((sum, count, said) => sum + (said === id ? 0 : count), 0),
  );
  return matrix
    .map((_, id) => id)
    .sort((a, b) => mistakes[b]! - mistakes[a]! || a - b)
    .slice(0, MOST_IN_MATRIX)
    .sort((a, b) => a - b);
}

function fileName(metric: string): string {
  return metric.replaceAll(/[^\w.-]+/g, "-");
}
