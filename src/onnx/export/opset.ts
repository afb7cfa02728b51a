/**
 * Writes a graph in an older version of ONNX's operators, so that more programs can read it. Which version each operator
 * has changed in: https://onnx.ai/onnx/operators/.
 */
import type { OnnxNode } from "../format/model.js";
import { refuse, type ExportGraph } from "./export_graph.js";
import { MODEL_CALL } from "./inline_models.js";

/** The version that files are written in, unless an operator needs a later one: the first with LayerNormalization (2022). */
export const EXPORT_OPSET = 17;

/** Operators that came, or learned what the engine uses of them, after `EXPORT_OPSET`. */
const FIRST_OPSETS: Readonly<Record<string, number>> = { BitwiseAnd: 18, AveragePool: 19 };

/**
 * Changes the graph, whose version becomes `EXPORT_OPSET` or the lowest above it that has all its operators.
 *
 * @param least a version that is not to be fallen below: that of an imported model within the graph
 */
export function lowerOpset(graph: ExportGraph, least = 0): void {
  for (const node of graph.nodes) {
    if (node.domain === "" || `${node.domain}:${node.operator}` === MODEL_CALL) continue;
    refuse(
      "ERR_ONNX_EXPORT",
      `${node.name} was recorded as ${node.domain}:${node.operator}, which is no operator of the ONNX standard.`,
    );
  }
  for (const node of graph.nodes) if (node.operator === "AveragePool") dropDilations(node);
  graph.opset = Math.max(EXPORT_OPSET, least, ...graph.nodes.map(firstOpset));
  if (graph.opset < 18) for (const node of graph.nodes) takeAxesAsAttribute(graph, node);
}

function firstOpset(node: OnnxNode): number {
  if (node.operator === "AveragePool" && !node.attributes.has("dilations")) return 0;
  return FIRST_OPSETS[node.operator] ?? 0;
}

/** Windows without gaps need no word for them. */
function dropDilations(node: OnnxNode): void {
  const dilations = node.attributes.get("dilations");
  if (dilations?.kind === "ints" && dilations.value.every((dilation) => dilation === 1)) {
    node.attributes.delete("dilations");
  }
}

/** Until version 17, reductions but sums have their axes as an attribute. */
function takeAxesAsAttribute(graph: ExportGraph, node: OnnxNode): void {
  if (!/^Reduce(?!Sum$)/.test(node.operator) || node.inputs.length < 2) return;
  const axes = graph.initializers.get(node.inputs[1]!);
  if (axes === undefined) {
    refuse(
      "ERR_ONNX_EXPORT",
      `${node.name} reduces axes that are computed, which no operator can before version 18.`,
    );
  }
  node.inputs.length = 1;
  node.attributes.set("axes", { kind: "ints", value: Array.from(axes.data as BigInt64Array, Number) });
}
