/** Writes the messages of an ONNX file, by their field numbers in onnx.proto. */
import { PbfWriter } from "pbf";
import { numberOfType } from "./element_types.js";
import type {
  OnnxAttribute,
  OnnxDimension,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValueInfo,
  OnnxValueType,
} from "./model.js";

/** The bytes of a file. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const writer = new PbfWriter();
  writer.writeVarintField(1, model.irVersion);
  text(writer, 2, model.producerName);
  text(writer, 3, model.producerVersion);
  text(writer, 4, model.domain);
  if (model.modelVersion !== 0) writer.writeVarintField(5, Number(model.modelVersion));
  text(writer, 6, model.docString);
  writer.writeMessage(7, writeGraph, model.graph);
  for (const [domain, version] of model.opsetImports) writer.writeMessage(8, writeOpset, { domain, version });
  writeEntries(writer, 14, model.metadata);
  if (model.functions.length > 0) throw new Error("functions are not written yet");
  return writer.finish();
}

function text(writer: PbfWriter, field: number, value: string): void {
  if (value !== "") writer.writeStringField(field, value);
}

function writeEntries(writer: PbfWriter, field: number, entries: Record<string, string>): void {
  for (const [key, value] of Object.entries(entries)) writer.writeMessage(field, writeEntry, { key, value });
}

function writeEntry({ key, value }: { key: string; value: string }, writer: PbfWriter): void {
  writer.writeStringField(1, key);
  writer.writeStringField(2, value);
}

function writeOpset({ domain, version }: { domain: string; version: number }, writer: PbfWriter): void {
  text(writer, 1, domain);
  writer.writeVarintField(2, version);
}

function writeGraph(graph: OnnxGraph, writer: PbfWriter): void {
  for (const node of graph.nodes) writer.writeMessage(1, writeNode, node);
  writer.writeStringField(2, graph.name);
  for (const tensor of graph.initializers.values()) writer.writeMessage(5, writeTensor, tensor);
  text(writer, 10, graph.docString);
  for (const info of graph.inputs) writer.writeMessage(11, writeValueInfo, info);
  for (const info of graph.outputs) writer.writeMessage(12, writeValueInfo, info);
  for (const info of graph.valueInfo) writer.writeMessage(13, writeValueInfo, info);
}

function writeNode(node: OnnxNode, writer: PbfWriter): void {
  for (const input of node.inputs) writer.writeStringField(1, input);
  for (const output of node.outputs) writer.writeStringField(2, output);
  text(writer, 3, node.name);
  writer.writeStringField(4, node.operator);
  for (const [name, attribute] of node.attributes)
    writer.writeMessage(5, writeAttribute, { name, attribute });
  text(writer, 6, node.docString);
  text(writer, 7, node.domain);
}

function writeAttribute(
  { name, attribute }: { name: string; attribute: OnnxAttribute },
  writer: PbfWriter,
): void {
  writer.writeStringField(1, name);
  const { kind, value } = attribute;
  const type = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 }[
    kind as string
  ];
  if (kind === "float") writer.writeFloatField(2, value);
  else if (kind === "int") writer.writeVarintField(3, Number(value));
  else if (kind === "string") writer.writeStringField(4, value);
  else if (kind === "tensor") writer.writeMessage(5, writeTensor, value);
  else if (kind === "graph") writer.writeMessage(6, writeGraph, value);
  else if (kind === "floats") for (const item of value) writer.writeFloatField(7, item);
  else if (kind === "ints") for (const item of value) writer.writeVarintField(8, Number(item));
  else if (kind === "strings") for (const item of value) writer.writeStringField(9, item);
  else throw new Error(`attributes of kind ${kind} are not written yet`);
  writer.writeVarintField(20, type!);
}

function writeTensor(tensor: OnnxTensor, writer: PbfWriter): void {
  for (const length of tensor.shape) writer.writeVarintField(1, length);
  writer.writeVarintField(2, numberOfType(tensor.type));
  writer.writeStringField(8, tensor.name);
  if (Array.isArray(tensor.data)) throw new Error("strings are not written yet");
  const { buffer, byteOffset, byteLength } = tensor.data;
  writer.writeBytesField(9, new Uint8Array(buffer, byteOffset, byteLength));
}

function writeValueInfo(info: OnnxValueInfo, writer: PbfWriter): void {
  writer.writeStringField(1, info.name);
  writer.writeMessage(2, writeType, info.type);
}

function writeType(type: OnnxValueType, writer: PbfWriter): void {
  if (type.kind === "tensor") writer.writeMessage(1, writeTensorType, type);
  else throw new Error(`types of kind ${type.kind} are not written yet`);
}

function writeTensorType(
  type: Extract<OnnxValueType, { kind: "tensor" | "sparseTensor" }>,
  writer: PbfWriter,
): void {
  writer.writeVarintField(1, numberOfType(type.type));
  if (type.shape !== undefined) writer.writeMessage(2, writeShape, type.shape);
}

function writeShape(shape: readonly OnnxDimension[], writer: PbfWriter): void {
  for (const dimension of shape) writer.writeMessage(1, writeDimension, dimension);
}

function writeDimension(dimension: OnnxDimension, writer: PbfWriter): void {
  if (typeof dimension === "number") writer.writeVarintField(1, dimension);
  else if (dimension !== undefined) writer.writeStringField(2, dimension);
}
