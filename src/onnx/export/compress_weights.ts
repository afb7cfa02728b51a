/** Stores weights in fewer bits. What computes with them still gets float32. */
import type { OnnxNode, OnnxTensor } from "../format/model.js";
import { freeName, intOf, makeNode, makeTensor, type ExportGraph } from "./export_graph.js";
import { toFloat16 } from "./float16.js";

/** What weights are stored in. */
export type WeightType = "float32" | "float16" | "int8";

/** Smaller arrays stay as they are: there is nothing to gain. */
const MIN_ELEMENTS = 256;

const MAX_FLOAT16 = 65504;
const MAX_INT8 = 127;

/**
 * A graph with smaller weights; the one given stays as it is.
 *
 * - `float16`: every array of 256 numbers or more, with a `Cast`; one with numbers beyond ±65504 stays.
 * - `int8`: weights of convolutions and products, and tables of embeddings: round(w / scale) with one scale for each output
 *   channel or row, the largest magnitude there / 127, and a `DequantizeLinear`. Vectors stay.
 */
export function compressWeights(graph: ExportGraph, type: WeightType): ExportGraph {
  if (type === "float32") return graph;
  const smaller: ExportGraph = {
    ...graph,
    nodes: graph.nodes.map((node) => ({ ...node, inputs: [...node.inputs] })),
    initializers: new Map(graph.initializers),
    values: new Map(graph.values),
  };
  const restored: OnnxNode[] = [];
  for (const tensor of graph.initializers.values()) {
    if (tensor.type !== "float32" || tensor.data.length < MIN_ELEMENTS) continue;
    const wide = freeName(smaller, `${tensor.name}_float32`);
    const stored = type === "float16" ? asFloat16(tensor, wide) : asInt8(graph, tensor, wide);
    if (stored === undefined) continue;
    for (const array of stored.arrays) smaller.initializers.set(array.name, array);
    smaller.values.set(wide, smaller.values.get(tensor.name)!);
    for (const node of smaller.nodes) {
      node.inputs.forEach((input, i) => {
        if (input === tensor.name) node.inputs[i] = wide;
      });
    }
    restored.push(stored.node);
  }
  smaller.nodes.unshift(...restored);
  return smaller;
}

interface Stored {
  arrays: OnnxTensor[];
  /** Gives the weight in float32. */
  node: OnnxNode;
}

function asFloat16({ name, shape, data }: OnnxTensor, wide: string): Stored | undefined {
  const numbers = data as Float32Array;
  if (numbers.some((item) => Math.abs(item) > MAX_FLOAT16)) return undefined;
  return {
    arrays: [makeTensor(name, "float16", shape, Uint16Array.from(numbers, toFloat16))],
    node: makeNode("Cast", [name], [wide], { to: 1 }),
  };
}

function asInt8(graph: ExportGraph, tensor: OnnxTensor, wide: string): Stored | undefined {
  const axis = channelAxis(graph, tensor);
  if (axis === undefined) return undefined;
  const { name, shape } = tensor;
  const numbers = tensor.data as Float32Array;
  const channels = shape[axis]!;
  const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const channelOf = (i: number) => Math.floor(i / stride) % channels;
  const largest = new Float32Array(channels);
  numbers.forEach((item, i) => {
    const channel = channelOf(i);
    largest[channel] = Math.max(largest[channel]!, Math.abs(item));
  });
  const scales = largest.map((item) => (item === 0 ? 1 : item / MAX_INT8));
  const rounded = Int8Array.from(numbers, (item, i) => Math.round(item / scales[channelOf(i)]!));
  const scaleName = freeName(graph, `${name}_scale`);
  return {
    arrays: [makeTensor(name, "int8", shape, rounded), makeTensor(scaleName, "float32", [channels], scales)],
    node: makeNode("DequantizeLinear", [name, scaleName], [wide], { axis }),
  };
}

/** The axis of a weight that its output channels lie along; undefined where no operator uses it as a weight. */
function channelAxis({ nodes }: ExportGraph, { name, shape }: OnnxTensor): number | undefined {
  if (shape.length < 2) return undefined;
  for (const node of nodes) {
    const position = node.inputs.indexOf(name);
    if (position < 0) continue;
    if (node.operator === "Conv" && position === 1) return 0;
    if (node.operator === "ConvTranspose" && position === 1 && intOf(node, "group", 1) === 1) return 1;
    if (node.operator === "Gather" && position === 0) return intOf(node, "axis", 0) === 0 ? 0 : undefined;
    if (node.operator === "Gemm" && position === 1) return intOf(node, "transB", 0) === 1 ? 0 : 1;
    if (node.operator === "MatMul") return position === 1 ? shape.length - 1 : shape.length - 2;
  }
  return undefined;
}
