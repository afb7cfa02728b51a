/** Errors for inputs that do not fit a layer, and sizes given as one number or two. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";

/** One number for height and width, or one for each. */
export type Pair = number | readonly [height: number, width: number];

export function pair(value: Pair): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

/** A shape as messages show it: `[2, 3]`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Checks for pictures [batch, height, width, channels]. */
export function checkPictures(layer: string, input: tf.Tensor, channels?: number): void {
  if (input.rank === 4 && (channels === undefined || input.shape[3] === channels)) return;
  throw wrongShape(layer, `[batch, height, width, ${channels ?? "channels"}]`, input);
}

/** Checks the length of the last axis. */
export function checkFeatures(layer: string, input: tf.Tensor, features: number): void {
  if (input.rank < 1 || input.shape.at(-1) !== features) throw wrongShape(layer, `[…, ${features}]`, input);
}

/** Checks that two tensors have one shape. */
export function checkSameShape(name: string, preds: tf.Tensor, target: tf.Tensor): void {
  if (preds.shape.length === target.shape.length && preds.shape.every((n, i) => n === target.shape[i]))
    return;
  throw new ConfigurationError(
    "ERR_SHAPE",
    `${name} compares tensors of one shape, not ${formatShape(preds.shape)} with ${formatShape(target.shape)}. Reshape one of them.`,
  );
}

function wrongShape(layer: string, expected: string, input: tf.Tensor): ConfigurationError {
  return new ConfigurationError(
    "ERR_SHAPE",
    `${layer} takes an input of shape ${expected}, not ${formatShape(input.shape)}. ` +
      "Check the layer before it; pictures are channels-last.",
  );
}
