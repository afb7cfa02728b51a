/** Writes ONNX files. */
import { rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { writeFileAtomically } from "../atomic_write.js";
import {
  bytesOfArray,
  checkLength,
  encodeModel,
  lengthOf,
  MAX_BYTES,
  type ExternalPlace,
  type PlaceOf,
} from "./format/encode.js";
import type { OnnxGraph, OnnxModel, OnnxTensor } from "./format/model.js";

/** Arrays in a file of their own begin at multiples of this, so that programs can map them into memory. */
const ALIGNMENT = 4096;

/** Options of `writeOnnx`. */
export interface WriteOnnxOptions {
  /**
   * Whether arrays lie in a second file beside the model, named as the model with `_data` appended: always, never, or
   * where the model would not fit into one file of less than 2 GiB. Default: `auto`.
   */
  externalData?: boolean | "auto";
  /** Bytes from which on an array is put into the second file. Default: 1024. */
  externalThreshold?: number;
}

/**
 * Writes a model as an ONNX file, or as two: what was there before stays whole until the new files are.
 *
 * @throws OnnxError `ERR_ONNX_TOO_LARGE` for a model of 2 GiB or more in one file
 * @throws CheckpointError `ERR_FILE_WRITE` with the system's reason
 */
export async function writeOnnx(
  path: string,
  model: OnnxModel,
  options: WriteOnnxOptions = {},
): Promise<void> {
  const { externalData = "auto", externalThreshold = 1024 } = options;
  const target = resolve(path);
  if (externalData !== true) {
    const pieces = encodeModel(model);
    const isTooLong = lengthOf(pieces) > MAX_BYTES;
    if (!isTooLong || externalData === false) {
      checkLength(lengthOf(pieces));
      await writeFileAtomically(target, (file) => writePieces(file, pieces));
      return;
    }
  }
  const location = `${basename(target)}_data`;
  const { places, pieces: arrays } = placeArrays(model, location, externalThreshold);
  const placeOf: PlaceOf = (tensor) => places.get(tensor);
  const pieces = encodeModel(model, placeOf);
  checkLength(lengthOf(pieces));
  const dataPath = join(dirname(target), location);
  await writeFileAtomically(dataPath, (file) => writePieces(file, arrays));
  try {
    await writeFileAtomically(target, (file) => writePieces(file, pieces));
  } catch (error) {
    await rm(dataPath, { force: true });
    throw error;
  }
}

/** Every array of enough bytes gets a place in the second file, one after the other. */
function placeArrays(model: OnnxModel, location: string, threshold: number) {
  const places = new Map<OnnxTensor, ExternalPlace>();
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (const tensor of tensorsOf(model.graph)) {
    if (Array.isArray(tensor.data) || tensor.data.byteLength < threshold) continue;
    const bytes = bytesOfArray(tensor.data);
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    if (offset > end) pieces.push(new Uint8Array(offset - end));
    pieces.push(bytes);
    places.set(tensor, { location, offset, length: bytes.length });
    end = offset + bytes.length;
  }
  return { places, pieces };
}

/** The initializers of a graph and of those within it, and arrays in attributes. */
function* tensorsOf(graph: OnnxGraph): Generator<OnnxTensor> {
  yield* graph.initializers.values();
  for (const node of graph.nodes) {
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === "graph") yield* tensorsOf(attribute.value);
      if (attribute.kind === "graphs") for (const inner of attribute.value) yield* tensorsOf(inner);
    }
  }
}

async function writePieces(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) await file.writeFile(piece);
}
