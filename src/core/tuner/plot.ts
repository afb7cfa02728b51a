/** Draws losses over learning rates. */
import { saveChart } from "../plots/chart.js";
import { COLORS, PLANE, X_AXIS, Y_AXIS } from "../plots/style.js";

/** @param options.mark a learning rate to put a dot on */
export async function plotLearningRates(
  path: string,
  { lr, loss }: { lr: readonly number[]; loss: readonly number[] },
  { isLogarithmic, mark }: { isLogarithmic: boolean; mark: number | undefined },
): Promise<void> {
  const points = lr.map((x, i) => ({ x, y: loss[i]! })).filter(({ y }) => Number.isFinite(y));
  const marked = points.filter(({ x }) => x === mark);
  const scale = { type: isLogarithmic ? "log" : "linear", tickFormat: isLogarithmic ? "~e" : "~g" } as const;
  await saveChart(path, (plot) => ({
    ...PLANE,
    x: { ...X_AXIS, ...scale, ticks: 8, domain: [lr[0] ?? 0.1, lr.at(-1) ?? 1], label: "learning rate" },
    y: { ...Y_AXIS, label: "loss" },
    marks: [
      plot.line(points, { x: "x", y: "y", stroke: COLORS.line, strokeWidth: 2 }),
      plot.dot(marked, { x: "x", y: "y", fill: COLORS.mark, r: 6 }),
    ],
  }));
}
