/** Opens ONNX files: the model itself, and arrays that lie in other files beside it. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { DataError, OnnxError } from "../errors.js";
import { decodeModel } from "./format/decode.js";
import type { OnnxModel } from "./format/model.js";

/**
 * Reads a model.
 *
 * @param source the path of a file, or its bytes, which must not change as long as the model is used
 * @throws OnnxError `ERR_ONNX_DAMAGED` for what is not a whole and consistent ONNX file
 * @throws DataError `ERR_ONNX_FILE` where the file cannot be read
 */
export async function readOnnx(source: string | Uint8Array): Promise<OnnxModel> {
  if (typeof source !== "string") return decodeModel(source, noFolder("The model", false));
  const path = resolve(source);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new DataError("ERR_ONNX_FILE", `${path} cannot be read. Give the path of an ONNX file.`, {
      cause: error,
      path,
    });
  }
  return decodeModel(bytes, noFolder(path, true));
}

function noFolder(source: string, ownsBytes: boolean) {
  return {
    source,
    ownsBytes,
    readExternal: (): never => {
      throw new OnnxError(
        "ERR_ONNX_EXTERNAL_DATA",
        `${source} has weights in another file. Give the path of the model, not its bytes.`,
      );
    },
  };
}
