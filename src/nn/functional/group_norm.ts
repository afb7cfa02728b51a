/** Group normalisation (Wu and He, 2018). */
import * as tf from "@tensorflow/tfjs-core";
import { fusedGroupNorm } from "../../engine/fused/group_norm.js";
import { ConfigurationError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";

/** Scale, shift and epsilon of `groupNorm`. */
export interface GroupNormParameters {
  /** Factor, [channels]. Default: 1. */
  weight?: tf.Tensor | null;
  /** Offset, [channels]. Default: 0. */
  bias?: tf.Tensor | null;
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
}

/**
 * Cuts the channels into groups and normalises each group of each sample by its own mean and biased variance.
 *
 * @param input [batch, …, channels]: channels-last, as everywhere
 * @param numGroups divides the channels
 * @throws ConfigurationError `ERR_GROUPS` if it does not
 */
export function groupNorm(
  input: tf.Tensor,
  numGroups: number,
  { weight, bias, eps = 1e-5 }: GroupNormParameters = {},
): tf.Tensor {
  const channels = input.shape.at(-1);
  if (input.rank < 2 || channels! % numGroups !== 0) {
    throw new ConfigurationError(
      "ERR_GROUPS",
      `groupNorm cannot cut the channels of an input ${formatShape(input.shape)} into ${numGroups} equal groups. ` +
        "Give [batch, …, channels] and a number of groups that divides the channels.",
    );
  }
  const shape = [channels!];
  return fusedGroupNorm(input, numGroups, weight ?? tf.ones(shape), bias ?? tf.zeros(shape), eps);
}
