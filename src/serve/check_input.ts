/** Looks at an input before it reaches the model: how much it would be when decoded. */
import { readImageSize, streamAudio } from "../data/index.js";
import { DataError } from "../errors.js";
import type { Input, ModelInfo } from "./predictor.js";

export interface InputLimits {
  maxPixels: number;
  maxSeconds: number;
}

/**
 * @throws DataError `ERR_INPUT_LIMIT` for what is too large; as `readImageSize` and `streamAudio` for what is no picture or
 *   sound
 */
export async function checkInput(
  input: Input,
  kind: ModelInfo["inputs"],
  limits: InputLimits,
): Promise<void> {
  if (kind === "pictures") await checkPixels(input, limits);
  else if (kind === "sounds") await checkSeconds(input, limits);
}

async function checkPixels(input: Input, { maxPixels }: InputLimits): Promise<void> {
  const { width, height } = await readImageSize(input);
  if (width * height <= maxPixels) return;
  throw new DataError(
    "ERR_INPUT_LIMIT",
    `The picture has ${width} x ${height} pixels; this server takes up to ${maxPixels}.`,
  );
}

/** A head may lie about the length, and a few bytes can hold hours of silence: decoding stops where there is too much. */
async function checkSeconds(input: Input, { maxSeconds }: InputLimits): Promise<void> {
  let seconds = 0;
  for await (const { samples, sampleRate } of streamAudio(input)) {
    seconds += samples.length / sampleRate;
    if (seconds <= maxSeconds) continue;
    throw new DataError(
      "ERR_INPUT_LIMIT",
      `The sound is longer than ${maxSeconds} s, which is the limit here.`,
    );
  }
}
