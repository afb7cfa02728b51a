/**
 * Outputs that a graph only reshapes at its end. ONNX Runtime copies there, from one array into another of the same
 * elements; the array is given to the operator before instead, under the shape that this computes.
 */
import type { Model } from "./frozen_graph.js";
import type { ModelNode } from "./onnx_model.js";

/** The model with each output under the shape of what the reshape before it takes. */
export function withoutLastReshapes(model: Model): Model {
  const producers = new Map(model.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const names = new Set(model.outputs.map(({ name }) => name));
  const replaced = new Set<ModelNode>();
  const outputs = model.outputs.map((output) => {
    const reshape = producers.get(output.name)!;
    const source = reshape.inputs[0]!;
    const producer = producers.get(source);
    if (reshape.operator !== "Reshape" || producer === undefined || names.has(source)) return output;
    names.add(source);
    replaced.add(reshape);
    const position = producer.outputs.indexOf(source);
    const dimensions = producer.outputDimensions?.[position];
    return { name: source, value: producer.outputValues[position]!, ...(dimensions && { dimensions }) };
  });
  const used = new Set(model.nodes.flatMap(({ inputs }) => inputs));
  const nodes = model.nodes.filter((node) => !replaced.has(node) || used.has(node.outputs[0]!));
  return { ...model, nodes, outputs };
}
