/** Looks at an input before it reaches the model: how much it would be when decoded. */
import { readImageSize } from "../data/index.js";
import { DataError } from "../errors.js";
import type { Input, ModelInfo } from "./predictor.js";

export interface InputLimits {
  maxPixels: number;
  maxSeconds: number;
}

/**
 * Only pictures say truly in their heads how large they are. For sounds see `limitDecoding`.
 *
 * @throws DataError `ERR_INPUT_LIMIT` for a picture that is too large; as `readImageSize` for what is no picture
 */
export async function checkInput(
  input: Input,
  kind: ModelInfo["inputs"],
  { maxPixels }: InputLimits,
): Promise<void> {
  if (kind !== "pictures") return;
  const { width, height } = await readImageSize(input);
  if (width * height <= maxPixels) return;
  throw new DataError(
    "ERR_INPUT_LIMIT",
    `The picture has ${width} x ${height} pixels; this server takes up to ${maxPixels}.`,
  );
}

/** Options of `predict` that end the decoding of sounds that are too long: a few bytes can hold hours of silence. */
export function limitDecoding(
  kind: ModelInfo["inputs"],
  { maxSeconds }: InputLimits,
): { maxDecodedSeconds?: number } {
  return kind === "sounds" ? { maxDecodedSeconds: maxSeconds } : {};
}
