/** Takes out of a graph what recording has put in and inference does not need. Results stay the same. */
import { OrtArray, Session, type ElementArray, type ElementType } from "../../engine/runtime/index.js";
import { encodeOnnx } from "../format/encode.js";
import type { OnnxNumbers } from "../format/element_types.js";
import type { OnnxNode, OnnxTensor } from "../format/model.js";
import { modelOfGraph } from "./model_of_graph.js";
import { makeTensor, producersOf, readersOf, replaceValue, type ExportGraph } from "./export_graph.js";
import { foldAffine } from "./fold_affine.js";

/** Arrays with more elements than this are computed where the model runs, unless they replace larger ones. */
const MAX_MADE_ELEMENTS = 4096;

/** Changes the graph. */
export function simplify(graph: ExportGraph): void {
  removeNanGuards(graph);
  removeIdentities(graph);
  removeUnused(graph);
  foldConstants(graph);
  foldAffine(graph);
  shareConstants(graph);
  removeUnused(graph);
}

/**
 * The engine has maxima pass over NaN or keep it, as TF.js does, whatever ONNX Runtime does with them. Other runtimes do as
 * they like anyway.
 */
function removeNanGuards(graph: ExportGraph): void {
  const producers = producersOf(graph);
  const numberOf = (name: string) => {
    const tensor = graph.initializers.get(name);
    return tensor?.data.length === 1 ? Number(tensor.data[0]) : undefined;
  };
  for (const node of graph.nodes) {
    if (["MaxPool", "ArgMax", "ArgMin"].includes(node.operator)) {
      const guard = producers.get(node.inputs[0]!);
      if (guard?.operator !== "Where" || Math.abs(numberOf(guard.inputs[1]!) ?? 0) !== Infinity) continue;
      const [condition, , guarded] = guard.inputs as [string, string, string];
      const test = producers.get(condition);
      if (test?.operator === "IsNaN" && test.inputs[0] === guarded) node.inputs[0] = guarded;
    } else if (node.operator === "Where") {
      const [condition, squares, extreme] = node.inputs as [string, string, string];
      const test = producers.get(condition);
      if (test?.operator !== "IsNaN" || test.inputs[0] !== squares) continue;
      if (producers.get(squares)?.operator !== "ReduceSumSquare") continue;
      if (!["ReduceMax", "ReduceMin"].includes(producers.get(extreme)?.operator ?? "")) continue;
      replaceValue(graph, node.outputs[0]!, extreme);
    }
  }
}

/** An output of the graph keeps its name: whatever computes it takes that on. */
function removeIdentities(graph: ExportGraph): void {
  const producers = producersOf(graph);
  const outputs = new Set(graph.outputs);
  graph.nodes = graph.nodes.filter((node) => {
    if (node.operator !== "Identity") return true;
    const [source, target] = [node.inputs[0]!, node.outputs[0]!];
    if (!outputs.has(target)) {
      replaceValue(graph, target, source);
      return false;
    }
    const producer = producers.get(source);
    if (producer === undefined || outputs.has(source)) return true;
    producer.outputs[producer.outputs.indexOf(source)] = target;
    producers.set(target, producer);
    replaceValue(graph, source, target);
    return false;
  });
}

/** Nodes and arrays that no output needs. */
export function removeUnused(graph: ExportGraph): void {
  const needed = new Set(graph.outputs);
  graph.nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const input of node.inputs) needed.add(input);
      return true;
    })
    .toReversed();
  for (const name of graph.initializers.keys()) if (!needed.has(name)) graph.initializers.delete(name);
}

/** Computes what follows from known arrays alone, but for large arrays that are quickly made of few numbers. */
function foldConstants(graph: ExportGraph): void {
  const { initializers, values } = graph;
  const known = new Set(initializers.keys());
  const size = (name: string) => values.get(name)!.shape.reduce<number>((a, b) => a * Number(b), 1);
  const isFoldable = (node: OnnxNode) =>
    node.domain === "" &&
    node.inputs.every((input) => input === "" || known.has(input)) &&
    node.outputs.every((output) => values.get(output)!.shape.every((length) => typeof length === "number")) &&
    node.outputs.every(
      (output) =>
        size(output) <=
        Math.max(MAX_MADE_ELEMENTS, ...node.inputs.map((input) => (input === "" ? 0 : size(input)))),
    );
  const [folded, rest]: [OnnxNode[], OnnxNode[]] = [[], []];
  for (const node of graph.nodes) {
    if (!isFoldable(node) || node.outputs.some((output) => graph.outputs.includes(output))) rest.push(node);
    else {
      folded.push(node);
      for (const output of node.outputs) known.add(output);
    }
  }
  if (folded.length === 0) return;
  const read = new Set(rest.flatMap(({ inputs }) => inputs));
  const wanted = folded.flatMap(({ outputs }) => outputs).filter((output) => read.has(output));
  for (const tensor of computeArrays({ ...graph, nodes: folded, inputs: [], outputs: wanted })) {
    initializers.set(tensor.name, tensor);
  }
  graph.nodes = rest;
  keepWeightNames(graph, folded);
}

/** The outputs of a graph of known arrays, computed. These are inputs of the model, whose bytes they would else swell. */
function computeArrays(graph: ExportGraph): OnnxTensor[] {
  if (graph.outputs.length === 0) return [];
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const arrays = [...graph.initializers.values()].filter(({ name }) => used.has(name));
  const inputs = arrays.map(({ name }) => name);
  const session = new Session(encodeOnnx(modelOfGraph({ ...graph, inputs, initializers: new Map() })));
  try {
    const results = session.run(
      arrays.map(({ type, shape, data }) => OrtArray.wrap(type as ElementType, data as ElementArray, shape)),
      graph.outputs.map(() => undefined),
    );
    return results.map(({ type, shape, data }, i) =>
      makeTensor(graph.outputs[i]!, type, shape, data as OnnxNumbers),
    );
  } finally {
    session.dispose();
  }
}

/** A weight that has been turned round, and is read nowhere else, is still that weight. */
function keepWeightNames(graph: ExportGraph, folded: readonly OnnxNode[]): void {
  const readers = readersOf(graph);
  for (const node of folded) {
    const [source, result] = [node.inputs[0]!, node.outputs[0]!];
    if (node.operator !== "Reshape" && node.operator !== "Transpose") continue;
    const tensor = graph.initializers.get(result);
    if (tensor === undefined || readers.has(source) || !graph.initializers.has(source)) continue;
    graph.initializers.delete(result);
    graph.initializers.set(source, { ...tensor, name: source });
    graph.values.set(source, graph.values.get(result)!);
    replaceValue(graph, result, source);
  }
}

/** Shapes and axes that are the same become one. */
function shareConstants(graph: ExportGraph): void {
  const seen = new Map<string, string>();
  const shared = new Map<string, string>();
  for (const [name, { type, shape, data }] of graph.initializers) {
    if (data.length > 16 || type === "string") continue;
    const numbers = Array.from(data as ArrayLike<unknown>, (item) =>
      Object.is(item, -0) ? "-0" : String(item),
    );
    const key = `${type} [${shape.join()}] ${numbers.join()}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, name);
    else if (!name.includes(".")) shared.set(name, first); // a weight keeps its name
  }
  for (const node of graph.nodes) node.inputs = node.inputs.map((input) => shared.get(input) ?? input);
}
