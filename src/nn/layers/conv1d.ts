/** Conv1d: convolution of channels-last sequences. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { conv1d } from "../functional/conv1d.js";
import { defaultUniform } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { formatShape } from "../shape_checks.js";

/** Options of `Conv1d`. */
export interface Conv1dOptions {
  /** Default: 1. */
  stride?: number;
  /** Zeros at both ends. Default: 0. */
  padding?: number;
  /** Distance between the points of the kernel. Default: 1. */
  dilation?: number;
  /** Both channel counts are cut into this many groups, convolved apart; inChannels makes it depthwise. Default: 1. */
  groups?: number;
  /** Whether to add a bias. Default: true. */
  bias?: boolean;
}

/** [batch, length, inChannels] to [batch, outLength, outChannels], with PyTorch's lengths. */
export class Conv1d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
  /** [outChannels, inChannels / groups, kernelSize] */
  readonly weight: Parameter;
  /** [outChannels] */
  readonly bias: Parameter | null;

  /** @throws ConfigurationError `ERR_GROUPS` if `groups` does not divide both channel counts */
  constructor(inChannels: number, outChannels: number, kernelSize: number, options: Conv1dOptions = {}) {
    super();
    const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = options;
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ConfigurationError(
        "ERR_GROUPS",
        `Conv1d cannot cut ${inChannels} input and ${outChannels} output channels into ${groups} equal groups. ` +
          "Choose groups that divide both.",
      );
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.stride = stride;
    this.padding = padding;
    this.dilation = dilation;
    this.groups = groups;
    const fanIn = (inChannels / groups) * kernelSize;
    this.weight = new Parameter(defaultUniform([outChannels, inChannels / groups, kernelSize], fanIn));
    this.bias = bias ? new Parameter(defaultUniform([outChannels], fanIn)) : null;
  }

  /** @throws ConfigurationError `ERR_SHAPE` for another number of axes or channels */
  forward(input: tf.Tensor): tf.Tensor {
    const { inChannels, stride, padding, dilation, groups, weight, bias } = this;
    if (input.rank !== 3 || input.shape[2] !== inChannels) {
      throw new ConfigurationError(
        "ERR_SHAPE",
        `Conv1d takes an input of shape [batch, length, ${inChannels}], not ${formatShape(input.shape)}. ` +
          "Check the layer before it; sequences are channels-last.",
      );
    }
    const sequence = conv1d(input, weight, { stride, padding, dilation, groups });
    return bias === null ? sequence : tf.add(sequence, bias);
  }
}
