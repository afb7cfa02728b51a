/** A summary as a table for a terminal. */
import type { LayerSummary, ModuleSummary, ShapeSummary } from "./module_summary.js";

/** Columns of numbers, which end at their right edge. */
const NUMBERS = new Set(["params", "FLOPs"]);

export function formatSummary(summary: Omit<ModuleSummary, "toString">): string {
  const parts = [formatTotals(summary)];
  if (summary.layers.length > 0) parts.unshift(formatLayers(summary));
  return parts.join("\n");
}

function formatLayers({ layers, flops }: Omit<ModuleSummary, "toString">): string {
  const header = ["name", "type", "params", "trains", "mode"];
  if (flops !== undefined) header.push("input", "output", "FLOPs");
  const rows = layers.map((layer) => {
    const cells = [layer.name, layer.type, formatCount(layer.parameters), formatTrains(layer), layer.mode];
    if (flops === undefined) return cells;
    return [
      ...cells,
      formatShape(layer.inputShape),
      formatShape(layer.outputShape),
      formatCount(layer.flops!),
    ];
  });
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (NUMBERS.has(header[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  return [line(header), rule, ...rows.map(line), rule].join("\n");
}

function formatTotals(summary: Omit<ModuleSummary, "toString">): string {
  const totals: [string, string][] = [
    [formatCount(summary.trainableParameters), "trainable params"],
    [formatCount(summary.nonTrainableParameters), "non-trainable params"],
    [formatCount(summary.parameters), "params in total"],
    [summary.sizeMb.toFixed(3), "MB of params"],
    [String(summary.modulesInTrainMode), "modules in train mode"],
    [String(summary.modulesInEvalMode), "modules in eval mode"],
  ];
  if (summary.flops !== undefined) totals.push([formatCount(summary.flops), "FLOPs for the example input"]);
  return totals.map(([count, text]) => `${count.padEnd(9)} ${text}`).join("\n");
}

function formatTrains({ parameters, trainableParameters }: LayerSummary): string {
  if (parameters === 0) return "-";
  if (trainableParameters === 0) return "no";
  return trainableParameters === parameters ? "yes" : "partly";
}

/** Three digits and a unit, from a thousand on: `1.23 K`, `11.2 M`. */
export function formatCount(count: number): string {
  const units = ["", "K", "M", "B", "T"];
  let unit = 0;
  let value = count;
  while (unit < units.length - 1 && Number(value.toPrecision(3)) >= 1000) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? String(count) : `${Number(value.toPrecision(3))} ${units[unit]}`;
}

function formatShape(shape: ShapeSummary | undefined): string {
  if (shape === undefined) return "-";
  if (typeof shape === "string") return shape;
  if (Array.isArray(shape)) return `[${shape.join(", ")}]`;
  return Object.entries(shape as Record<string, ShapeSummary>)
    .map(([name, inner]) => `${name} ${formatShape(inner)}`)
    .join(" ");
}
