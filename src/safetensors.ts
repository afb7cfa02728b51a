/**
 * Reads and writes safetensors files: an 8-byte little-endian length, a JSON header, then the raw arrays.
 * Format: https://github.com/huggingface/safetensors#format
 */
import { CheckpointError } from "./errors.js";

/**
 * The format's element types with the array that holds each, in the order that the reference implementation writes
 * them: largest first, so that each tensor is aligned. F16 and BF16 stay as their 16 raw bits.
 */
const arrayTypes = {
  U64: BigUint64Array,
  I64: BigInt64Array,
  F64: Float64Array,
  F32: Float32Array,
  U32: Uint32Array,
  I32: Int32Array,
  BF16: Uint16Array,
  F16: Uint16Array,
  U16: Uint16Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

const writingOrder = Object.keys(arrayTypes);

/** Element types of the safetensors format. */
export type SafetensorsDType = keyof typeof arrayTypes;
/** The arrays that tensors of a safetensors file are read into. */
export type SafetensorsArray =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint8Array;

/** A dense row-major array as the file holds it. BOOL holds 0 and 1. */
export interface SafetensorsTensor {
  dtype: SafetensorsDType;
  shape: readonly number[];
  data: SafetensorsArray;
}

/** What a safetensors file holds. */
export interface SafetensorsFile {
  tensors: Record<string, SafetensorsTensor>;
  metadata: Record<string, string>;
}

interface HeaderEntry {
  dtype: SafetensorsDType;
  shape: number[];
  data_offsets: [number, number];
}

const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
/** The reference implementation refuses longer headers. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * The bytes of a file, the same as the reference implementation's: tensors are ordered by type, then by name.
 *
 * @param metadata free text, as the format only knows strings
 * @throws CheckpointError `ERR_SAFETENSORS_SHAPE` where a shape and its data disagree
 */
export function encodeSafetensors(
  tensors: Record<string, SafetensorsTensor>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const chunks = safetensorsChunks(tensors, metadata);
  const file = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let position = 0;
  for (const chunk of chunks) {
    file.set(chunk, position);
    position += chunk.length;
  }
  return file;
}

/**
 * The same bytes in pieces: the header, then each tensor's own memory, so that a large file needs no second copy of it.
 *
 * @throws CheckpointError `ERR_SAFETENSORS_SHAPE` where a shape and its data disagree
 */
export function safetensorsChunks(
  tensors: Record<string, SafetensorsTensor>,
  metadata: Record<string, string> = {},
): [header: Uint8Array, ...data: Uint8Array[]] {
  const ordered = Object.entries(tensors).sort(
    ([nameA, a], [nameB, b]) =>
      writingOrder.indexOf(a.dtype) - writingOrder.indexOf(b.dtype) || (nameA < nameB ? -1 : 1),
  );
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push(["__metadata__", metadata]);
  let end = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const start = end;
    end += data.byteLength;
    if (sizeOf(shape) * elementBytes(dtype) !== data.byteLength) {
      throw new CheckpointError(
        "ERR_SAFETENSORS_SHAPE",
        `Tensor ${JSON.stringify(name)} of type ${dtype} and shape [${shape.join(", ")}] takes ` +
          `${sizeOf(shape) * elementBytes(dtype)} bytes, but its data has ${data.byteLength}.`,
      );
    }
    entries.push([name, { dtype, shape, data_offsets: [start, end] }]);
  }

  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const headerBytes = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(LENGTH_BYTES + headerBytes).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(headerBytes), true);
  header.set(json, LENGTH_BYTES);
  const data = ordered.map(
    ([, tensor]) => new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
  );
  return [header, ...data];
}

/**
 * The tensors and metadata of a file. Arrays are views of `file` where its alignment allows, else copies.
 *
 * @param source what to call the file in errors
 * @throws CheckpointError `ERR_SAFETENSORS_DAMAGED` where the bytes are not a whole, consistent safetensors file
 */
export function decodeSafetensors(file: Uint8Array, source = "The file"): SafetensorsFile {
  const { entries, metadata, dataStart } = readHeader(file, source);
  checkLayout(entries, file.length - dataStart, source);
  const tensors = entries.map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [start, end],
      },
    ]) => {
      const data = arrayAt(dtype, file, dataStart + start, end - start);
      return [name, { dtype, shape, data }] as const;
    },
  );
  return { tensors: Object.fromEntries(tensors), metadata };
}

function readHeader(file: Uint8Array, source: string) {
  if (file.length < LENGTH_BYTES) {
    throw damaged(source, `it has ${file.length} bytes, and the length of its header alone takes 8`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  const dataStart = LENGTH_BYTES + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || dataStart > file.length) {
    throw damaged(source, `it announces a header of ${headerBytes} bytes, and the file has ${file.length}`);
  }
  const header = parseHeader(file.subarray(LENGTH_BYTES, dataStart), source);
  const metadata = header.__metadata__ ?? {};
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    throw damaged(source, "its __metadata__ is not a map of strings");
  }
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return {
    entries: entries.map(([name, entry]) => [name, checkEntry(name, entry, source)] as const),
    metadata: metadata as Record<string, string>,
    dataStart,
  };
}

function parseHeader(bytes: Uint8Array, source: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw damaged(source, "its header is not JSON", error);
  }
  if (!isRecord(header)) throw damaged(source, "its header is not a JSON object");
  return header;
}

function checkEntry(name: string, entry: unknown, source: string): HeaderEntry {
  const quoted = JSON.stringify(name);
  if (!isRecord(entry) || !isCounts(entry.shape) || !isCounts(entry.data_offsets)) {
    throw damaged(source, `tensor ${quoted} lacks a valid dtype, shape or data_offsets`);
  }
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(arrayTypes, dtype)) {
    throw damaged(source, `tensor ${quoted} has the unknown type ${JSON.stringify(dtype)}`);
  }
  const [start = 0, end = 0] = offsets;
  const bytes = sizeOf(shape) * elementBytes(dtype as SafetensorsDType);
  if (offsets.length !== 2 || end - start !== bytes) {
    throw damaged(
      source,
      `tensor ${quoted} takes ${bytes} bytes, but its place in the file has ${end - start}`,
    );
  }
  return { dtype: dtype as SafetensorsDType, shape, data_offsets: [start, end] };
}

/** Tensors must follow each other without holes or overlaps and end where the file ends. */
function checkLayout(
  entries: readonly (readonly [string, HeaderEntry])[],
  dataBytes: number,
  source: string,
) {
  const places = entries.map(([name, entry]) => ({ name, place: entry.data_offsets }));
  places.sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
  let expected = 0;
  for (const { name, place } of places) {
    if (place[0] !== expected) {
      throw damaged(source, `tensor ${JSON.stringify(name)} starts at byte ${place[0]}, not at ${expected}`);
    }
    expected = place[1];
  }
  if (expected !== dataBytes) {
    throw damaged(source, `its header describes ${expected} bytes of data, and ${dataBytes} are there`);
  }
}

function arrayAt(dtype: SafetensorsDType, file: Uint8Array, offset: number, bytes: number): SafetensorsArray {
  const ArrayType = arrayTypes[dtype];
  const start = file.byteOffset + offset;
  const length = bytes / ArrayType.BYTES_PER_ELEMENT;
  if (start % ArrayType.BYTES_PER_ELEMENT === 0)
    return new ArrayType(file.buffer as ArrayBuffer, start, length);
  return new ArrayType(file.slice(offset, offset + bytes).buffer, 0, length);
}

function elementBytes(dtype: SafetensorsDType): number {
  return arrayTypes[dtype].BYTES_PER_ELEMENT;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

function damaged(source: string, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    "ERR_SAFETENSORS_DAMAGED",
    `${source} is not a whole safetensors file: ${problem}. Save or download it again.`,
    { cause },
  );
}
