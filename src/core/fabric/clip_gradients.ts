/** Fabric's two ways to bound gradients. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { clipGradValue, type Parameter } from "../../nn/index.js";
import type { Strategy } from "../strategies/index.js";

/** Exactly one of `clipVal` and `maxNorm`. */
export interface ClipGradientsOptions {
  /** Every element of every gradient is cut to [-clipVal, clipVal]. */
  clipVal?: number;
  /** All gradients are scaled by one factor, so that their common norm is at most this. */
  maxNorm?: number;
  /** Which norm: >= 1, Infinity for the largest element. Only with `maxNorm`. Default: 2. */
  normType?: number;
  /**
   * Whether a norm that is not finite is an error; the norm is then read, for which the backward pass runs at once. Default:
   * true, or false in mixed precision, which leaves such a step out.
   */
  errorIfNonfinite?: boolean;
}

/** @returns with `maxNorm` the norm before; it may be freed with the caller's scope */
export function clipGradients(
  strategy: Strategy,
  parameters: readonly Parameter[],
  { clipVal, maxNorm, normType = 2, errorIfNonfinite = true }: ClipGradientsOptions,
): tf.Scalar | undefined {
  if ((clipVal === undefined) === (maxNorm === undefined)) {
    throw new ConfigurationError(
      "ERR_CLIP_GRADIENTS",
      `clipGradients takes exactly one of clipVal and maxNorm, and ${clipVal === undefined ? "neither" : "both"} came: ` +
        "clipVal cuts each element of the gradients, maxNorm scales all of them down to a norm.",
    );
  }
  const limit = clipVal ?? maxNorm;
  if (typeof limit !== "number" || !(limit > 0)) {
    throw new ConfigurationError(
      "ERR_CLIP_GRADIENTS",
      `clipGradients takes a number above 0 as ${clipVal === undefined ? "maxNorm" : "clipVal"}, not ${String(limit)}.`,
    );
  }
  if (maxNorm !== undefined)
    return strategy.clipGradNorm(parameters, maxNorm, { normType, errorIfNonfinite });
  clipGradValue(parameters, limit);
  return undefined;
}
