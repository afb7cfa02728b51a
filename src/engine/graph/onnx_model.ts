/**
 * Writes a graph as an ONNX model: the messages of onnx.proto (https://onnx.ai/onnx/repo-docs/IR.html) that the engine
 * needs, with their field numbers.
 */
import { PbfWriter } from "pbf";
import type { Attributes, AttributeValue, Value, ValueType } from "./value.js";

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
  operator: string;
  inputs: readonly string[];
  outputs: readonly string[];
  /** What the outputs are, without arrays. */
  outputValues: readonly Value[];
  attributes: Attributes;
}

export interface NamedValue {
  name: string;
  value: Value;
  /** Whether its axes may have other lengths than the value's. Default: false. */
  isAnyLength?: boolean;
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
  writer.writeMessage(7, writeGraph, { nodes, inputs, outputs, constants });
  writer.writeMessage(8, writeOpset, { domain: "", version: OPSET_VERSION });
  for (const domain of OTHER_DOMAINS) writer.writeMessage(8, writeOpset, { domain, version: 1 });
  return writer.finish();
}

interface Graph {
  nodes: readonly ModelNode[];
  inputs: readonly NamedValue[];
  outputs: readonly NamedValue[];
  constants: readonly NamedValue[];
}

function writeGraph(graph: Graph, writer: PbfWriter): void {
  for (const node of graph.nodes) writer.writeMessage(1, writeNode, node);
  writer.writeStringField(2, "kindling");
  for (const constant of graph.constants) writer.writeMessage(5, writeConstant, constant);
  for (const input of graph.inputs) writer.writeMessage(11, writeValueInfo, input);
  for (const output of graph.outputs) writer.writeMessage(12, writeValueInfo, output);
}

function writeNode(node: ModelNode, writer: PbfWriter): void {
  const [domain, operator] = node.operator.includes(":") ? node.operator.split(":") : ["", node.operator];
  for (const input of node.inputs) writer.writeStringField(1, input);
  for (const output of node.outputs) writer.writeStringField(2, output);
  writer.writeStringField(4, operator!);
  for (const name in node.attributes) {
    writer.writeMessage(5, writeAttribute, { name, value: node.attributes[name]! });
  }
  if (domain !== "") writer.writeStringField(7, domain!);
}

function writeAttribute({ name, value }: { name: string; value: AttributeValue }, writer: PbfWriter): void {
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

function writeValueInfo(named: NamedValue, writer: PbfWriter): void {
  writer.writeStringField(1, named.name);
  writer.writeMessage(2, writeType, named);
}

function writeType(named: NamedValue, writer: PbfWriter): void {
  writer.writeMessage(1, writeTensorType, named);
}

function writeTensorType({ value, isAnyLength }: NamedValue, writer: PbfWriter): void {
  writer.writeVarintField(1, ELEMENT_TYPES[value.type]);
  const dimensions = isAnyLength === true ? value.shape.map((_, axis) => `n${axis}`) : value.shape;
  writer.writeMessage(2, writeShape, dimensions);
}

function writeShape(dimensions: readonly (number | string)[], writer: PbfWriter): void {
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
