/** Draws how a search went, and which parameters mattered. */
import { measureText, shortenText } from "../../../data/image/text.js";
import { saveChart } from "../../plots/chart.js";
import { COLORS, PLANE, X_AXIS, Y_AXIS } from "../../plots/style.js";
import type { ParameterImportance } from "./importance.js";
import { isBetterValue, type SearchDirection, type TrialRecord } from "./study_state.js";

const BAR = 32;
const NAME = { size: 12, maxWidth: 300 };

/** @param trials by number */
export async function plotHistory(
  path: string,
  trials: readonly TrialRecord[],
  direction: SearchDirection,
): Promise<void> {
  let best = NaN;
  const points = trials
    .filter(({ state }) => state === "complete")
    .map(({ number, value }) => {
      if (isBetterValue(value!, best, direction)) best = value!;
      return { trial: number, value: value!, best };
    });
  const last = Math.max(1, trials.length - 1);
  await saveChart(path, (plot) => ({
    ...PLANE,
    x: { ...X_AXIS, domain: [0, last], ticks: Math.min(10, last), tickFormat: "~d", label: "trial" },
    y: { ...Y_AXIS, label: "value of each trial, and the best so far" },
    marks: [
      plot.dot(points, { x: "trial", y: "value", fill: COLORS.dot, r: 4 }),
      plot.line(points, { x: "trial", y: "best", stroke: COLORS.mark, strokeWidth: 2 }),
    ],
  }));
}

export async function plotImportance(
  path: string,
  importance: readonly ParameterImportance[],
): Promise<void> {
  const names = importance.map(({ parameter }) => shortenText(parameter, NAME));
  const bars = importance.map(({ importance: share }, i) => ({ i, share, text: share.toFixed(2) }));
  await saveChart(path, (plot) => ({
    ...PLANE,
    marginLeft: Math.max(...names.map((name) => measureText(name, NAME.size))) + 24,
    marginRight: 50,
    marginBottom: 12,
    height: PLANE.marginTop + bars.length * BAR + 12,
    x: { axis: null },
    y: {
      // Half of the padding between bars is outside of them, so that each has a step of its own.
      ...{ type: "band", paddingInner: 0.25, paddingOuter: 0.125, tickSize: 0 },
      ...{
        label: "share of the variance that each parameter explains by itself",
        labelArrow: "none",
        labelAnchor: "top",
      },
      tickFormat: (i: number) => names[i]!,
    },
    marks: [
      plot.barX(bars, { x: "share", y: "i", fill: COLORS.line }),
      plot.ruleX([0]),
      plot.text(bars, { x: "share", y: "i", text: "text", textAnchor: "start", dx: 8 }),
    ],
  }));
}
