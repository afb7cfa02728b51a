/**
 * Writes a graph as an ONNX model: the messages of onnx.proto (https://onnx.ai/onnx/repo-docs/IR.html) that the engine
 * needs, with their field numbers.
 */
import { PbfWriter } from "pbf";
import type { Attributes, AttributeValue, Subgraph, SubgraphValue, Value, ValueType } from "./value.js";

const IR_VERSION = 9;
const OPSET_VERSION = 20;
const OTHER_DOMAINS = ["com.microsoft", "com.microsoft.nchwc"];

const ELEMENT_TYPES: Record<ValueType, number> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

/** An operator with the names of its inputs and outputs; `domain:Name` for one outside the standard. */
export interface ModelNode {
  /** What ONNX Runtime's messages call it. */
  name?: string;
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  /** What the outputs are, without arrays. */
  outputValues: readonly Value[];
  /** What the model says of the outputs' axes. Default: nothing, which leaves it to ONNX Runtime. */
  outputDimensions?: readonly Dimensions[];
  attributes: Attributes;
}

/** How long axes are, or names for lengths that are left open. */
export type Dimensions = readonly (number | string)[];

export interface NamedValue {
  name: string;
  value: Value;
  /** By default the value's shape. */
  dimensions?: Dimensions;
}

/** The bytes of a model with these nodes, in an order in which they can run. */
export function encodeModel(
  nodes: readonly ModelNode[],
  inputs: readonly NamedValue[],
  outputs: readonly NamedValue[],
  constants: readonly NamedValue[],
): Uint8Array {
  const writer = new PbfWriter();
  writer.writeVarintField(1, IR_VERSION);
  const graph = { nodes, inputs: inputs.map(infoOf), outputs: outputs.map(infoOf), constants };
  writer.writeMessage(7, writeGraph, graph);
  writer.writeMessage(8, writeOpset, { domain: "", version: OPSET_VERSION });
  for (const domain of OTHER_DOMAINS) writer.writeMessage(8, writeOpset, { domain, version: 1 });
  return writer.finish();
}

interface Graph {
  nodes: readonly ModelNode[];
  inputs: readonly ValueInfo[];
  outputs: readonly ValueInfo[];
  constants: readonly NamedValue[];
}

/** What a model says of a value; of its axes nothing where there are no dimensions. */
interface ValueInfo {
  name: string;
  type: ValueType;
  dimensions?: Dimensions;
}

function infoOf({ name, value, dimensions = value.shape }: NamedValue): ValueInfo {
  return { name, type: value.type, dimensions };
}

function writeGraph(graph: Graph, writer: PbfWriter): void {
  for (const node of graph.nodes) writer.writeMessage(1, writeNode, node);
  writer.writeStringField(2, "kindling");
  for (const constant of graph.constants) writer.writeMessage(5, writeConstant, constant);
  for (const input of graph.inputs) writer.writeMessage(11, writeValueInfo, input);
  for (const output of graph.outputs) writer.writeMessage(12, writeValueInfo, output);
  const given = new Set(graph.outputs.map(({ name }) => name));
  for (const { outputs, outputValues, outputDimensions = [] } of graph.nodes) {
    for (const [i, dimensions] of outputDimensions.entries()) {
      const [name, { type }] = [outputs[i]!, outputValues[i]!];
      if (!given.has(name)) writer.writeMessage(13, writeValueInfo, { name, type, dimensions });
    }
  }
}

function writeNode(node: ModelNode, writer: PbfWriter): void {
  const [domain, operator] = node.operator.includes(":") ? node.operator.split(":") : ["", node.operator];
  const subgraph = subgraphOf(node.attributes);
  const explicit = node.inputs.length - (subgraph?.captured ?? 0);
  for (const input of node.inputs.slice(0, explicit)) writer.writeStringField(1, input);
  for (const output of node.outputs) writer.writeStringField(2, output);
  if (node.name !== undefined) writer.writeStringField(3, node.name);
  writer.writeStringField(4, operator!);
  for (const name in node.attributes) {
    const value = node.attributes[name]!;
    if (isSubgraph(value)) {
      const graph = graphOfSubgraph(value.graph, node.outputs[0]!, node.inputs.slice(explicit));
      writer.writeMessage(5, writeGraphAttribute, { name, graph });
    } else writer.writeMessage(5, writeAttribute, { name, value });
  }
  if (domain !== "") writer.writeStringField(7, domain!);
}

type SubgraphAttribute = Extract<AttributeValue, { graph: Subgraph }>;

function isSubgraph(value: AttributeValue): value is SubgraphAttribute {
  return typeof value === "object" && "graph" in value;
}

function subgraphOf(attributes: Attributes): Subgraph | undefined {
  return Object.values(attributes).find(isSubgraph)?.graph;
}

/** Names within a model are unique, so those of the subgraph get the name of its operator's output before them. */
function graphOfSubgraph(subgraph: Subgraph, prefix: string, captured: readonly string[]): Graph {
  const outer = new Map(captured.map((name, i) => [`captured${i}`, name]));
  const rename = (name: string): string => outer.get(name) ?? `${prefix}/${name}`;
  const info = ({ name, type }: SubgraphValue): ValueInfo => ({ name: rename(name), type });
  const nodes = subgraph.nodes.map(({ operator, inputs, outputs, attributes = {} }): ModelNode => ({
    operator,
    inputs: inputs.map(rename),
    outputs: outputs.map(rename),
    outputValues: [],
    attributes,
  }));
  return {
    nodes,
    inputs: subgraph.inputs.map(info),
    outputs: subgraph.outputs.map(info),
    constants: [],
  };
}

function writeGraphAttribute({ name, graph }: { name: string; graph: Graph }, writer: PbfWriter): void {
  const GRAPH = 5;
  writer.writeStringField(1, name);
  writer.writeMessage(6, writeGraph, graph);
  writer.writeVarintField(20, GRAPH);
}

type PlainValue = Exclude<AttributeValue, SubgraphAttribute>;

function writeAttribute({ name, value }: { name: string; value: PlainValue }, writer: PbfWriter): void {
  const [FLOAT, INT, STRING, FLOATS, INTS] = [1, 2, 3, 6, 7];
  writer.writeStringField(1, name);
  if (typeof value === "number") {
    writer.writeVarintField(3, value);
    writer.writeVarintField(20, INT);
  } else if (typeof value === "string") {
    writer.writeStringField(4, value);
    writer.writeVarintField(20, STRING);
  } else if ("float" in value) {
    writer.writeFloatField(2, value.float);
    writer.writeVarintField(20, FLOAT);
  } else if ("floats" in value) {
    for (const item of value.floats) writer.writeFloatField(7, item);
    writer.writeVarintField(20, FLOATS);
  } else {
    for (const item of value) writer.writeVarintField(8, item);
    writer.writeVarintField(20, INTS);
  }
}

function writeConstant({ name, value }: NamedValue, writer: PbfWriter): void {
  for (const length of value.shape) writer.writeVarintField(1, length);
  writer.writeVarintField(2, ELEMENT_TYPES[value.type]);
  writer.writeStringField(8, name);
  const { array } = value;
  const bytes =
    array === undefined
      ? constantBytes(value.type, value.constant!)
      : new Uint8Array(array.data.buffer, array.data.byteOffset, array.byteLength);
  writer.writeBytesField(9, bytes);
}

function constantBytes(type: ValueType, values: readonly number[]): Uint8Array {
  if (type === "int64") return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  if (type === "float32") return new Uint8Array(Float32Array.from(values).buffer);
  if (type === "int32") return new Uint8Array(Int32Array.from(values).buffer);
  return Uint8Array.from(values);
}

function writeValueInfo(info: ValueInfo, writer: PbfWriter): void {
  writer.writeStringField(1, info.name);
  writer.writeMessage(2, writeType, info);
}

function writeType(info: ValueInfo, writer: PbfWriter): void {
  writer.writeMessage(1, writeTensorType, info);
}

function writeTensorType({ type, dimensions }: ValueInfo, writer: PbfWriter): void {
  writer.writeVarintField(1, ELEMENT_TYPES[type]);
  if (dimensions !== undefined) writer.writeMessage(2, writeShape, dimensions);
}

function writeShape(dimensions: Dimensions, writer: PbfWriter): void {
  for (const dimension of dimensions) writer.writeMessage(1, writeDimension, dimension);
}

function writeDimension(dimension: number | string, writer: PbfWriter): void {
  if (typeof dimension === "number") writer.writeVarintField(1, dimension);
  else writer.writeStringField(2, dimension);
}

function writeOpset({ domain, version }: { domain: string; version: number }, writer: PbfWriter): void {
  if (domain !== "") writer.writeStringField(1, domain);
  writer.writeVarintField(2, version);
}
