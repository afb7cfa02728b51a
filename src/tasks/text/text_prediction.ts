/** Puts many texts through a network quickly: sorted by length, in batches of few shapes, and back in their order. */
import * as tf from "@tensorflow/tfjs-core";
import type { EncodedText, TextPreprocessor } from "../../backbones/text/text_preprocessor.js";
import type { TextInputs } from "../../backbones/text/text_backbone.js";
import { fromHost } from "../../engine/index.js";
import { DataError } from "../../errors.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import type { AnyModule } from "../../nn/index.js";
import { filledSize } from "../filled_batch.js";

/** Texts of a batch at most. */
const MOST_ROWS = 64;
/** Tokens or n-grams of a batch at most, where it has several texts. */
const MOST_POSITIONS = 2 ** 15;

/**
 * @param module is in eval mode while `forward` runs
 * @param forward records the network's pass over a batch; gives [rows, width]
 * @returns the rows of the results in the order of the texts
 * @throws DataError `ERR_TEXT` for something that is no string
 */
export async function runOnTexts(
  texts: readonly string[],
  preprocessor: TextPreprocessor,
  module: AnyModule,
  forward: (inputs: TextInputs) => tf.Tensor,
): Promise<Float32Array[]> {
  const encoded = texts.map((text, i) => {
    if (typeof text === "string") return preprocessor.encode(text);
    throw new DataError(
      "ERR_TEXT",
      `Expected a text, but input ${i} is ${text === null ? "null" : typeof text}.`,
    );
  });
  return runOnEncoded(encoded, preprocessor, module, forward);
}

/** As `runOnTexts`, for texts that are encoded. */
export async function runOnEncoded(
  encoded: readonly EncodedText[],
  preprocessor: TextPreprocessor,
  module: AnyModule,
  forward: (inputs: TextInputs) => tf.Tensor,
): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  for (const batch of batchesOf(encoded, preprocessor)) {
    const rows = filledSize(batch.length);
    const arrays = preprocessor.collate(
      batch.map((index) => encoded[index]!),
      rows,
    );
    const output = tf.tidy(() => {
      const run = () =>
        forward(Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, fromHost(array)])));
      return inEvalMode(module, run);
    });
    const data = await output.data<"float32">();
    output.dispose();
    const width = data.length / rows;
    batch.forEach((index, row) => (results[index] = data.slice(row * width, (row + 1) * width)));
  }
  return results;
}

/** Indices of the texts, batch by batch, from the shortest text to the longest. */
function* batchesOf(
  encoded: readonly EncodedText[],
  preprocessor: TextPreprocessor,
): Generator<number[], void> {
  const lengthOf = (index: number) => preprocessor.paddedLength(encoded[index]!.ids.length);
  const order = encoded.map((_, i) => i);
  order.sort((a, b) => encoded[a]!.ids.length - encoded[b]!.ids.length || a - b);
  let batch: number[] = [];
  for (const index of order) {
    const length = lengthOf(index);
    const isFull = batch.length === MOST_ROWS || (batch.length + 1) * length > MOST_POSITIONS;
    const isLonger = batch.length > 0 && length > 1.5 * lengthOf(batch[0]!);
    if (batch.length > 0 && (isFull || isLonger)) {
      yield batch;
      batch = [];
    }
    batch.push(index);
  }
  if (batch.length > 0) yield batch;
}
