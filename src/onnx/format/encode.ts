/** Writes the messages of an ONNX file, by their field numbers in onnx.proto. */
import { OnnxError } from "../../errors.js";
import { ChunkWriter } from "./chunk_writer.js";
import { ATTRIBUTE_KINDS } from "./decode.js";
import { numberOfType } from "./element_types.js";
import type {
  OnnxAttribute,
  OnnxDimension,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxSparseTensor,
  OnnxTensor,
  OnnxValueInfo,
  OnnxValueType,
} from "./model.js";

/** Where an array is to lie, if not in the model's own file. */
export interface ExternalPlace {
  location: string;
  offset: number;
  length: number;
}

/** Where each array is to lie; undefined for the model's own file. */
export type PlaceOf = (tensor: OnnxTensor) => ExternalPlace | undefined;

/** What protocol buffers can hold in one message. */
export const MAX_BYTES = 2 ** 31 - 1;

/**
 * The bytes of an ONNX file.
 *
 * @throws OnnxError `ERR_ONNX_TOO_LARGE` from 2 GiB on: `writeOnnx` puts the arrays of such models into a second file
 */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const pieces = encodeModel(model);
  const length = lengthOf(pieces);
  checkLength(length);
  const bytes = new Uint8Array(length);
  let position = 0;
  for (const piece of pieces) {
    bytes.set(piece, position);
    position += piece.length;
  }
  return bytes;
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** @throws OnnxError `ERR_ONNX_TOO_LARGE` */
export function checkLength(bytes: number): void {
  if (bytes <= MAX_BYTES) return;
  throw new OnnxError(
    "ERR_ONNX_TOO_LARGE",
    `The model takes ${bytes} bytes, and an ONNX file holds less than 2 GiB. Write it with externalData: "auto".`,
  );
}

/** The pieces of a model's file. */
export function encodeModel(model: OnnxModel, placeOf: PlaceOf = () => undefined): Uint8Array[] {
  const writer = new ChunkWriter();
  writer.integer(1, model.irVersion);
  writer.string(2, model.producerName);
  writer.string(3, model.producerVersion);
  writer.string(4, model.domain);
  writer.integer(5, model.modelVersion);
  writer.string(6, model.docString);
  writer.message(7, (inner) => writeGraph(model.graph, inner, placeOf));
  writeOpsets(8, model.opsetImports, writer);
  writeEntries(14, model.metadata, writer);
  for (const called of model.functions) {
    writer.message(25, (inner) => writeFunction(called, inner, placeOf));
  }
  return writer.pieces();
}

function writeGraph(graph: OnnxGraph, writer: ChunkWriter, placeOf: PlaceOf): void {
  for (const node of graph.nodes) writer.message(1, (inner) => writeNode(node, inner, placeOf));
  writer.string(2, graph.name);
  for (const [name, tensor] of graph.initializers) {
    writer.message(5, (inner) => writeTensor({ ...tensor, name }, inner, placeOf(tensor)));
  }
  writer.string(10, graph.docString);
  writeInfos(11, graph.inputs, writer);
  writeInfos(12, graph.outputs, writer);
  writeInfos(13, graph.valueInfo, writer);
  for (const [name, { values, ...rest }] of graph.sparseInitializers) {
    writer.message(15, (inner) => writeSparseTensor({ ...rest, values: { ...values, name } }, inner));
  }
  writeEntries(16, graph.metadata, writer);
}

function writeNode(node: OnnxNode, writer: ChunkWriter, placeOf: PlaceOf): void {
  writer.strings(1, node.inputs);
  writer.strings(2, node.outputs);
  writer.string(3, node.name);
  writer.string(4, node.operator);
  writeAttributes(5, node.attributes, writer, placeOf);
  writer.string(6, node.docString);
  writer.string(7, node.domain);
  writer.string(8, node.overload);
  writeEntries(9, node.metadata, writer);
}

function writeFunction(called: OnnxFunction, writer: ChunkWriter, placeOf: PlaceOf): void {
  writer.string(1, called.name);
  writer.strings(4, called.inputs);
  writer.strings(5, called.outputs);
  writer.strings(6, called.attributes);
  for (const node of called.nodes) writer.message(7, (inner) => writeNode(node, inner, placeOf));
  writer.string(8, called.docString);
  writeOpsets(9, called.opsetImports, writer);
  writer.string(10, called.domain);
  writeAttributes(11, called.attributeDefaults, writer, placeOf);
  writer.string(13, called.overload);
  writeEntries(14, called.metadata, writer);
}

function writeAttributes(
  field: number,
  attributes: ReadonlyMap<string, OnnxAttribute>,
  writer: ChunkWriter,
  placeOf: PlaceOf,
): void {
  for (const [name, attribute] of attributes) {
    writer.message(field, (inner) => {
      inner.string(1, name);
      if (attribute.reference === undefined) writeAttributeValue(attribute, inner, placeOf);
      else inner.string(21, attribute.reference);
      inner.integer(20, ATTRIBUTE_KINDS.indexOf(attribute.kind) + 1);
    });
  }
}

function writeAttributeValue(attribute: OnnxAttribute, writer: ChunkWriter, placeOf: PlaceOf): void {
  const each = <T>(field: number, items: readonly T[], write: (item: T, inner: ChunkWriter) => void) => {
    for (const item of items) writer.message(field, (inner) => write(item, inner));
  };
  const tensor = (item: OnnxTensor, inner: ChunkWriter) => writeTensor(item, inner, placeOf(item));
  const graph = (item: OnnxGraph, inner: ChunkWriter) => writeGraph(item, inner, placeOf);
  const { kind, value } = attribute;
  if (kind === "float") writer.float(2, value);
  else if (kind === "int") writer.integer(3, value, true);
  else if (kind === "string") writer.string(4, value, true);
  else if (kind === "tensor") each(5, [value], tensor);
  else if (kind === "graph") each(6, [value], graph);
  else if (kind === "floats") writer.floats(7, value);
  else if (kind === "ints") writer.integers(8, value);
  else if (kind === "strings") writer.strings(9, value);
  else if (kind === "tensors") each(10, value, tensor);
  else if (kind === "graphs") each(11, value, graph);
  else if (kind === "type") each(14, [value], writeType);
  else if (kind === "types") each(15, value, writeType);
  else if (kind === "sparseTensor") each(22, [value], writeSparseTensor);
  else each(23, value, writeSparseTensor);
}

function writeTensor(tensor: OnnxTensor, writer: ChunkWriter, place?: ExternalPlace): void {
  writer.integers(1, tensor.shape);
  writer.integer(2, numberOfType(tensor.type));
  writer.string(8, tensor.name);
  const { data } = tensor;
  if (Array.isArray(data)) writer.strings(6, data);
  else if (place === undefined) writer.bytes(9, bytesOfArray(data));
  writer.string(12, tensor.docString);
  if (place === undefined || Array.isArray(data)) return;
  const { location, offset, length } = place;
  const entries = { location, offset: String(offset), length: String(length) };
  writeEntries(13, entries, writer);
  writer.integer(14, 1);
}

/** The bytes of an array, where they are. */
export function bytesOfArray(data: Exclude<OnnxTensor["data"], string[]>): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function writeSparseTensor({ values, indices, shape }: OnnxSparseTensor, writer: ChunkWriter): void {
  writer.message(1, (inner) => writeTensor(values, inner));
  writer.message(2, (inner) => writeTensor(indices, inner));
  writer.integers(3, shape);
}

function writeInfos(field: number, infos: readonly OnnxValueInfo[], writer: ChunkWriter): void {
  for (const { name, type, docString } of infos) {
    writer.message(field, (inner) => {
      inner.string(1, name);
      if (type.kind !== "unknown") inner.message(2, (innermost) => writeType(type, innermost));
      inner.string(3, docString);
    });
  }
}

function writeType(type: OnnxValueType, writer: ChunkWriter): void {
  const element = (field: number, item: OnnxValueType | undefined, within: ChunkWriter) => {
    if (item !== undefined) within.message(field, (inner) => writeType(item, inner));
  };
  if (type.kind === "tensor" || type.kind === "sparseTensor") {
    writer.message(type.kind === "tensor" ? 1 : 8, (inner) => {
      inner.integer(1, numberOfType(type.type));
      if (type.shape !== undefined) inner.message(2, (innermost) => writeShape(type.shape!, innermost));
    });
  } else if (type.kind === "sequence" || type.kind === "optional") {
    writer.message(type.kind === "sequence" ? 4 : 9, (inner) => element(1, type.element, inner));
  } else if (type.kind === "map") {
    writer.message(5, (inner) => {
      inner.integer(1, numberOfType(type.key));
      element(2, type.value, inner);
    });
  }
}

function writeShape(shape: readonly OnnxDimension[], writer: ChunkWriter): void {
  for (const dimension of shape) {
    writer.message(1, (inner) => {
      if (typeof dimension === "number") inner.integer(1, dimension, true);
      else if (dimension !== undefined) inner.string(2, dimension);
    });
  }
}

function writeOpsets(field: number, opsets: ReadonlyMap<string, number>, writer: ChunkWriter): void {
  for (const [domain, version] of opsets) {
    writer.message(field, (inner) => {
      inner.string(1, domain);
      inner.integer(2, version);
    });
  }
}

function writeEntries(field: number, entries: Readonly<Record<string, string>>, writer: ChunkWriter): void {
  for (const [key, value] of Object.entries(entries)) {
    writer.message(field, (inner) => {
      inner.string(1, key);
      inner.string(2, value);
    });
  }
}
