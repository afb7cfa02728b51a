/** Reads the arrays of an ONNX file, whichever of the format's fields they are in. */
import { alignmentOf, arrayOver, bytesOf, sizeOf, typeWithNumber, type OnnxType } from "./element_types.js";
import type { ExternalArray } from "./external_files.js";
import type { OnnxInteger, OnnxSparseTensor, OnnxTensor } from "./model.js";
import type { WireReader } from "./wire.js";

/** What decoding needs beside the bytes. */
export interface TensorSource {
  /** What errors call the file. */
  source: string;
  /** Whether the bytes belong to nobody else, so that arrays may be moved into alignment where they are. */
  ownsBytes: boolean;
  /** Arrays in other files, which are empty until they are read. */
  external: ExternalArray[];
}

interface Fields {
  name: string;
  docString: string;
  shape: number[];
  type: number;
  raw: { bytes: Uint8Array; headerBytes: number } | undefined;
  floats: number[];
  doubles: number[];
  integers: OnnxInteger[];
  strings: string[];
  external: Map<string, string>;
  isExternal: boolean;
}

/** @throws OnnxError `ERR_ONNX_DAMAGED` where shape and data disagree */
export function decodeTensor(reader: WireReader, source: TensorSource): OnnxTensor {
  const fields = readTensorFields(reader);
  const { name, docString, shape } = fields;
  const quoted = `the tensor ${JSON.stringify(name)}`;
  const type = typeWithNumber(fields.type);
  if (type === undefined) throw reader.damaged(`${quoted} has the unknown element type ${fields.type}`);
  const size = sizeOf(shape);
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0) || !Number.isSafeInteger(size)) {
    throw reader.damaged(`${quoted} has the impossible shape [${shape.join(", ")}]`);
  }
  const parts = { name, type, shape, docString };
  if (type === "string") {
    if (fields.strings.length !== size) {
      throw reader.damaged(`${quoted} of shape [${shape.join(", ")}] holds ${fields.strings.length} strings`);
    }
    return { ...parts, data: fields.strings };
  }
  const expected = bytesOf(type, size);
  const checkLength = (bytes: number) => {
    if (bytes === expected) return;
    throw reader.damaged(
      `${quoted} of type ${type} and shape [${shape.join(", ")}] takes ${expected} bytes, but its data has ${bytes}`,
    );
  };
  if (fields.isExternal) {
    const tensor: OnnxTensor = { ...parts, data: arrayOver(type, new Uint8Array(0)) };
    source.external.push({
      name,
      ...placeOf(fields.external),
      expected,
      take: (bytes) => (tensor.data = arrayOver(type, bytes)),
    });
    return tensor;
  }
  if (fields.raw !== undefined) {
    checkLength(fields.raw.bytes.length);
    return { ...parts, data: arrayOver(type, aligned(fields.raw, alignmentOf(type), source.ownsBytes)) };
  }
  const bytes = new Uint8Array(fromNumbers(type, fields));
  checkLength(bytes.length);
  return { ...parts, data: arrayOver(type, bytes) };
}

function readTensorFields(reader: WireReader): Fields {
  const fields: Fields = {
    name: "",
    docString: "",
    shape: [],
    type: 0,
    raw: undefined,
    floats: [],
    doubles: [],
    integers: [],
    strings: [],
    external: new Map(),
    isExternal: false,
  };
  const shape: OnnxInteger[] = [];
  reader.fields((field) => {
    if (field === 1) reader.integers(shape);
    else if (field === 2) fields.type = reader.smallInteger();
    else if (field === 4) reader.floats(fields.floats);
    else if (field === 5 || field === 7 || field === 11) reader.integers(fields.integers);
    else if (field === 6) fields.strings.push(reader.string());
    else if (field === 8) fields.name = reader.string();
    else if (field === 9) fields.raw = reader.bytesWithHeader();
    else if (field === 10) reader.doubles(fields.doubles);
    else if (field === 12) fields.docString = reader.string();
    else if (field === 13) readEntry(reader, fields.external);
    else if (field === 14) fields.isExternal = reader.smallInteger() === 1;
  });
  fields.shape = shape.map(Number);
  return fields;
}

function readEntry(reader: WireReader, into: Map<string, string>): void {
  let key = "";
  let value = "";
  reader.message(() =>
    reader.fields((field) => {
      if (field === 1) key = reader.string();
      else if (field === 2) value = reader.string();
    }),
  );
  into.set(key, value);
}

function placeOf(entries: ReadonlyMap<string, string>) {
  const length = entries.get("length");
  return {
    location: entries.get("location") ?? "",
    offset: Number(entries.get("offset") ?? 0),
    length: length === undefined ? undefined : Number(length),
  };
}

/**
 * Protocol buffers align nothing. Where the bytes are ours, an array moves over the field's own number and length, which
 * have been read: a file of a gigabyte is not held twice.
 */
function aligned(
  { bytes, headerBytes }: { bytes: Uint8Array; headerBytes: number },
  alignment: number,
  ownsBytes: boolean,
): Uint8Array {
  const excess = bytes.byteOffset % alignment;
  if (excess === 0) return bytes;
  if (!ownsBytes || excess > headerBytes) return bytes.slice();
  const moved = new Uint8Array(bytes.buffer, bytes.byteOffset - excess, bytes.length);
  moved.set(bytes);
  return moved;
}

/** The bytes of an array that the file has as numbers. */
function fromNumbers(type: OnnxType, { floats, doubles, integers }: Fields): ArrayBufferLike {
  switch (type) {
    case "float32":
    case "complex64":
      return Float32Array.from(floats).buffer;
    case "float64":
    case "complex128":
      return Float64Array.from(doubles).buffer;
    case "int64":
      return BigInt64Array.from(integers, BigInt).buffer;
    case "uint64":
      return BigUint64Array.from(integers, BigInt).buffer;
    case "uint32":
      return Uint32Array.from(integers, Number).buffer;
    case "int32":
      return Int32Array.from(integers, Number).buffer;
    case "int16":
    case "uint16":
    case "float16":
    case "bfloat16":
      return Uint16Array.from(integers, Number).buffer;
    default:
      return Uint8Array.from(integers, Number).buffer;
  }
}

/** @throws OnnxError `ERR_ONNX_DAMAGED` where values and indices do not fit each other */
export function decodeSparseTensor(reader: WireReader, source: TensorSource): OnnxSparseTensor {
  let values: OnnxTensor | undefined;
  let indices: OnnxTensor | undefined;
  const shape: OnnxInteger[] = [];
  reader.fields((field) => {
    if (field === 1) values = reader.message(() => decodeTensor(reader, source));
    else if (field === 2) indices = reader.message(() => decodeTensor(reader, source));
    else if (field === 3) reader.integers(shape);
  });
  const fits =
    values?.shape.length === 1 &&
    indices?.type === "int64" &&
    (indices.shape.length === 1 || (indices.shape.length === 2 && indices.shape[1] === shape.length)) &&
    indices.shape[0] === values.shape[0];
  if (!fits) throw reader.damaged("the values and indices of a sparse tensor do not fit each other");
  return { values: values!, indices: indices!, shape: shape.map(Number) };
}
