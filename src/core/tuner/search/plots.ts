/** Draws how a search went, and which parameters mattered. */
import { scaleLinear } from "d3-scale";
import { COLORS, drawBarChart, drawXYChart } from "../../plots/chart.js";
import type { ParameterImportance } from "./importance.js";
import { isBetterValue, type SearchDirection, type TrialRecord } from "./study_state.js";

/** @param trials by number */
export async function plotHistory(
  path: string,
  trials: readonly TrialRecord[],
  direction: SearchDirection,
): Promise<void> {
  const values = trials
    .filter(({ state }) => state === "complete")
    .map(({ number, value }): [number, number] => [number, value!]);
  let best = NaN;
  const bests = values.map(([number, value]): [number, number] => {
    if (isBetterValue(value, best, direction)) best = value;
    return [number, best];
  });
  const last = Math.max(1, trials.length - 1);
  await drawXYChart(path, {
    xLabel: "trial",
    yLabel: "value of each trial, and the best so far",
    x: scaleLinear().domain([0, last]),
    xTicks: { count: Math.min(10, last), format: "~d" },
    dots: [{ points: values, color: COLORS.dot, radius: 4 }],
    lines: [{ points: bests, color: COLORS.mark }],
  });
}

export async function plotImportance(
  path: string,
  importance: readonly ParameterImportance[],
): Promise<void> {
  await drawBarChart(path, {
    label: "share of the variance that each parameter explains by itself",
    bars: importance.map(({ parameter, importance: value }) => ({
      name: parameter,
      value,
      text: value.toFixed(2),
    })),
  });
}
