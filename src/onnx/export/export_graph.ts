/** The graph that is being exported: what an ONNX file will hold, with the types and shapes of all values at hand. */
import { OnnxError } from "../../errors.js";
import type { OnnxNumbers, OnnxType } from "../format/element_types.js";
import type { OnnxAttribute, OnnxDimension, OnnxNode, OnnxTensor } from "../format/model.js";

/** The type and shape of a value; a length may have a name, or be unknown. */
export interface ValueType {
  type: OnnxType;
  shape: OnnxDimension[];
}

/** Nodes are in an order in which they can run. */
export interface ExportGraph {
  /** The version of the standard's operators that the nodes are written in. */
  opset: number;
  /** The versions of other domains that nodes of imported models are from. */
  domains: Map<string, number>;
  nodes: OnnxNode[];
  inputs: string[];
  outputs: string[];
  initializers: Map<string, OnnxTensor>;
  values: Map<string, ValueType>;
}

/** An attribute in short: a whole number, a text, a list of whole numbers, or one that says its kind. */
export type ShortAttribute = number | string | readonly number[] | OnnxAttribute;

/** A node of the standard's own operators. */
export function makeNode(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, ShortAttribute>> = {},
  name = `${operator}/${outputs[0]}`,
): OnnxNode {
  return {
    name,
    operator,
    domain: "",
    overload: "",
    inputs: [...inputs],
    outputs: [...outputs],
    attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)])),
    docString: "",
    metadata: {},
  };
}

/** Adds a node with one output at the end of a graph. @returns the name of the output */
export function appendNode(
  graph: ExportGraph,
  operator: string,
  inputs: readonly string[],
  value: ValueType & { name?: string },
  attributes: Readonly<Record<string, ShortAttribute>> = {},
): string {
  const { name = operator.toLowerCase(), type, shape } = value;
  const output = freeName(graph, name);
  graph.values.set(output, { type, shape });
  graph.nodes.push(makeNode(operator, inputs, [output], attributes));
  return output;
}

function attributeOf(value: ShortAttribute): OnnxAttribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  return "kind" in value ? value : { kind: "ints", value: [...value] };
}

/** A known array under a name. */
export function makeTensor(
  name: string,
  type: OnnxType,
  shape: readonly number[],
  data: OnnxNumbers,
): OnnxTensor {
  return { name, type, shape: [...shape], data, docString: "" };
}

/** Adds a known array to a graph, under a name that nothing has yet. */
export function addInitializer(
  graph: ExportGraph,
  name: string,
  type: OnnxType,
  shape: readonly number[],
  data: OnnxNumbers,
): string {
  const free = freeName(graph, name);
  graph.initializers.set(free, makeTensor(free, type, shape, data));
  graph.values.set(free, { type, shape: [...shape] });
  return free;
}

/** The name itself, or one made of it that no value has. */
export function freeName(graph: ExportGraph, name: string): string {
  let free = name;
  for (let i = 1; graph.values.has(free); i++) free = `${name}_${i}`;
  return free;
}

/** Which nodes read each value. An output of the graph is read once more. */
export function readersOf(graph: ExportGraph): Map<string, OnnxNode[]> {
  const readers = new Map<string, OnnxNode[]>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      const known = readers.get(input);
      if (known === undefined) readers.set(input, [node]);
      else known.push(node);
    }
  }
  return readers;
}

/** The node that gives each value. */
export function producersOf(graph: ExportGraph): Map<string, OnnxNode> {
  return new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
}

/** Has every reader of a value read another one. */
export function replaceValue(graph: ExportGraph, from: string, to: string): void {
  for (const node of graph.nodes) {
    node.inputs.forEach((input, i) => {
      if (input === from) node.inputs[i] = to;
    });
  }
}

/** A whole number of an attribute, or the default. */
export function intOf(node: OnnxNode, name: string, byDefault: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "int" ? Number(attribute.value) : byDefault;
}

/** @throws OnnxError always: something cannot be said in an ONNX file */
export function refuse(code: string, message: string): never {
  throw new OnnxError(code, message);
}
