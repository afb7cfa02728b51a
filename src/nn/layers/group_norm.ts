/** GroupNorm: normalisation of groups of channels. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { groupNorm } from "../functional/group_norm.js";
import { ones, zeros } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { checkFeatures } from "../shape_checks.js";

/** Options of `GroupNorm`. */
export interface GroupNormOptions {
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
  /** Whether to have a weight and a bias. Default: true. */
  affine?: boolean;
}

/** Normalises each group of channels of each sample by its own statistics (Wu and He, 2018). [batch, …, channels] */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  /** [channels] */
  readonly weight: Parameter | null;
  /** [channels] */
  readonly bias: Parameter | null;

  /** @throws ConfigurationError `ERR_GROUPS` if the groups do not divide the channels */
  constructor(numGroups: number, numChannels: number, { eps = 1e-5, affine = true }: GroupNormOptions = {}) {
    super();
    if (numChannels % numGroups !== 0) {
      throw new ConfigurationError(
        "ERR_GROUPS",
        `GroupNorm cannot cut ${numChannels} channels into ${numGroups} equal groups. Choose groups that divide them.`,
      );
    }
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.weight = affine ? new Parameter(ones([numChannels])) : null;
    this.bias = affine ? new Parameter(zeros([numChannels])) : null;
  }

  forward(input: tf.Tensor): tf.Tensor {
    checkFeatures("GroupNorm", input, this.numChannels);
    const { weight, bias, eps } = this;
    return groupNorm(input, this.numGroups, { weight, bias, eps });
  }
}
