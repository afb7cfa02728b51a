/** A batch norm in eval mode is a factor and an offset for each channel: the convolution before it takes them over. */
import type { OnnxNode, OnnxTensor } from "../format/model.js";
import { addInitializer, intOf, makeTensor, readersOf, type ExportGraph } from "./export_graph.js";

/** Changes the graph: `Conv` and `Gemm`, followed by Mul or Add with a known number for each output channel. */
export function foldAffine(graph: ExportGraph): void {
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs);
  const removed = new Set<OnnxNode>();
  for (const node of graph.nodes) {
    const axis = channelAxis(graph, node);
    if (axis === undefined) continue;
    for (;;) {
      const output = node.outputs[0]!;
      const next = readers.get(output)?.[0];
      if (next === undefined || readers.get(output)!.length > 1 || outputs.has(output)) break;
      if (!takeOver(graph, node, next, axis)) break;
      removed.add(next);
      node.outputs[0] = next.outputs[0]!;
    }
  }
  graph.nodes = graph.nodes.filter((node) => !removed.has(node));
}

/** Which axis of its weight the output channels are; undefined for nodes that take over nothing. */
function channelAxis(graph: ExportGraph, node: OnnxNode): number | undefined {
  const isKnown = (name: string | undefined) =>
    name === undefined || name === "" || graph.initializers.has(name);
  if (!isKnown(node.inputs[1]) || !isKnown(node.inputs[2])) return undefined;
  if (graph.initializers.get(node.inputs[1]!)?.type !== "float32") return undefined;
  if (node.operator === "Conv") return 0;
  const isPlain = !node.attributes.has("alpha") && !node.attributes.has("beta");
  return node.operator === "Gemm" && isPlain ? (intOf(node, "transB", 0) === 1 ? 0 : 1) : undefined;
}

/** Moves a Mul or Add into the node before it. */
function takeOver(graph: ExportGraph, node: OnnxNode, next: OnnxNode, axis: number): boolean {
  if (next.operator !== "Mul" && next.operator !== "Add") return false;
  const other = next.inputs[0] === node.outputs[0] ? next.inputs[1]! : next.inputs[0]!;
  const weight = graph.initializers.get(node.inputs[1]!)!;
  const channels = weight.shape[axis]!;
  const numbers = perChannel(
    graph.initializers.get(other),
    channels,
    node.operator === "Conv" ? weight.shape.length : 2,
  );
  const bias = graph.initializers.get(node.inputs[2] ?? "");
  if (numbers === undefined || (bias !== undefined && bias.data.length !== channels)) return false;
  const oldBias = bias?.data as Float32Array | undefined;
  if (next.operator === "Mul") {
    setInput(graph, node, 1, scaled(weight, axis, numbers));
    if (bias !== undefined)
      setInput(
        graph,
        node,
        2,
        makeTensor(
          bias.name,
          "float32",
          [channels],
          oldBias!.map((item, i) => item * numbers[i]!),
        ),
      );
    return true;
  }
  const shifted = numbers.map((item, i) => item + (oldBias?.[i] ?? 0));
  if (bias === undefined) {
    const name = weight.name.endsWith(".weight")
      ? weight.name.replace(/weight$/, "bias")
      : `${weight.name}_bias`;
    node.inputs[2] = addInitializer(graph, name, "float32", [channels], shifted);
  } else setInput(graph, node, 2, makeTensor(bias.name, "float32", [channels], shifted));
  return true;
}

/** One number for each channel, where an array broadcasts along the channels of a node's output, or is a single number. */
function perChannel(
  tensor: OnnxTensor | undefined,
  channels: number,
  rank: number,
): Float32Array | undefined {
  if (tensor?.type !== "float32" || tensor.shape.length > rank) return undefined;
  const data = tensor.data as Float32Array;
  if (data.length === 1) return new Float32Array(channels).fill(data[0]!);
  const shape = [...new Array<number>(rank - tensor.shape.length).fill(1), ...tensor.shape];
  const isVector = data.length === channels && shape[1] === channels;
  return isVector ? data : undefined;
}

/** The array is read by no other node from now on, so that others keep what they read. */
function setInput(graph: ExportGraph, node: OnnxNode, position: number, tensor: OnnxTensor): void {
  const { name, type, shape, data } = tensor;
  const isShared = graph.nodes.some((other) => other !== node && other.inputs.includes(name));
  if (isShared) node.inputs[position] = addInitializer(graph, name, type, shape, data as Float32Array);
  else graph.initializers.set(name, tensor);
}

/** The weight times a number for each place along an axis. */
function scaled(weight: OnnxTensor, axis: number, numbers: Float32Array): OnnxTensor {
  const stride = weight.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const channels = weight.shape[axis]!;
  const data = (weight.data as Float32Array).map(
    (item, i) => item * numbers[Math.floor(i / stride) % channels]!,
  );
  return makeTensor(weight.name, "float32", weight.shape, data);
}
