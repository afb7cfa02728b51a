/** Looks at an input before it is decoded. */
import { readImageSize } from "../data/index.js";
import { DataError } from "../errors.js";
import type { Input, ModelInfo } from "./predictor.js";

/** @throws DataError `ERR_INPUT_LIMIT` for what is too large; as `readImageSize` for what is no picture */
export async function checkInput(
  input: Input,
  kind: ModelInfo["inputs"],
  { maxPixels }: { maxPixels: number; maxSeconds: number },
): Promise<void> {
  if (kind !== "pictures") return;
  const { width, height } = await readImageSize(input);
  if (width * height <= maxPixels) return;
  throw new DataError(
    "ERR_INPUT_LIMIT",
    `The picture has ${width} x ${height} pixels; this server takes up to ${maxPixels}.`,
  );
}
