/** How the charts of searches look. */
import type { PlotOptions, ScaleOptions } from "@observablehq/plot";

/** What lines, dots and bars are drawn in. */
export const COLORS = { line: "#1f77b4", mark: "#d62728", dot: "#9ab8d3" };

/** The space around a plane with labelled axes. */
export const PLANE = {
  width: 800,
  height: 500,
  marginTop: 36,
  marginRight: 24,
  marginBottom: 50,
  marginLeft: 64,
} as const satisfies PlotOptions;

export const X_AXIS = { labelArrow: "none", labelAnchor: "center" } as const satisfies ScaleOptions;
export const Y_AXIS = {
  labelArrow: "none",
  ticks: 7,
  grid: true,
  nice: true,
} as const satisfies ScaleOptions;
