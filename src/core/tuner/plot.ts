/** Draws losses over learning rates. */
import { scaleLinear, scaleLog } from "d3-scale";
import { COLORS, drawXYChart } from "../plots/chart.js";

/** @param options.mark a learning rate to put a dot on */
export async function plotLearningRates(
  path: string,
  { lr, loss }: { lr: readonly number[]; loss: readonly number[] },
  { isLogarithmic, mark }: { isLogarithmic: boolean; mark: number | undefined },
): Promise<void> {
  const points = lr.map((x, i) => [x, loss[i]!] as [number, number]).filter(([, y]) => Number.isFinite(y));
  const x = (isLogarithmic ? scaleLog() : scaleLinear()).domain([lr[0] ?? 0.1, lr.at(-1) ?? 1]);
  await drawXYChart(path, {
    xLabel: "learning rate",
    yLabel: "loss",
    x,
    xTicks: { count: 8, format: isLogarithmic ? "~e" : "~g" },
    lines: [{ points, color: COLORS.line }],
    dots: [{ points: points.filter(([rate]) => rate === mark), color: COLORS.mark, radius: 6 }],
  });
}
