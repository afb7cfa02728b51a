/** Opens ONNX files: the model itself, and arrays that lie in other files beside it. */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { DataError, OnnxError } from "../errors.js";
import { decodeModel } from "./format/decode.js";
import { readExternalArrays, type ExternalArray } from "./format/external_files.js";
import { MAX_BYTES } from "./format/encode.js";
import type { OnnxModel } from "./format/model.js";

/**
 * Reads a model. Its arrays are views of what was read, where the file aligns them or can be made to: a file of a gigabyte
 * takes a gigabyte.
 *
 * @param source the path of a file, or its bytes, which must not change as long as the model is used
 * @throws OnnxError `ERR_ONNX_DAMAGED` for what is not a whole and consistent ONNX file, `ERR_ONNX_EXTERNAL_DATA` where
 *   arrays in other files cannot be used: such files must lie in the folder of the model
 * @throws DataError `ERR_ONNX_FILE` where the file cannot be read
 */
export async function readOnnx(source: string | Uint8Array): Promise<OnnxModel> {
  const external: ExternalArray[] = [];
  if (typeof source !== "string") {
    const model = decodeModel(source, { source: "The model", ownsBytes: false, external });
    if (external.length === 0) return model;
    throw new OnnxError(
      "ERR_ONNX_EXTERNAL_DATA",
      `The tensor ${JSON.stringify(external[0]!.name)} is in another file, ${JSON.stringify(external[0]!.location)}. ` +
        "Give the path of the model rather than its bytes.",
    );
  }
  const path = resolve(source);
  const model = decodeModel(await readBytes(path), { source: path, ownsBytes: true, external });
  if (external.length > 0) await readExternalArrays(path, external);
  return model;
}

async function readBytes(path: string): Promise<Uint8Array> {
  const fail = (problem: string, cause?: unknown): DataError =>
    new DataError("ERR_ONNX_FILE", `${path} ${problem}. Give the path of an ONNX file.`, { cause, path });
  let bytes: Uint8Array | undefined;
  try {
    const status = await stat(path);
    if (!status.isFile()) throw fail("is no ordinary file");
    if (status.size > MAX_BYTES) {
      throw fail(
        `has ${status.size} bytes, and an ONNX file has less than 2 GiB: larger ones keep weights beside it`,
      );
    }
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw fail("cannot be read", error);
  }
  return bytes;
}
