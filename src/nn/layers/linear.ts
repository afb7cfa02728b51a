/** Linear: an affine map of the last axis. */
import type * as tf from "@tensorflow/tfjs-core";
import { linear } from "../functional/linear.js";
import { defaultUniform } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { checkFeatures } from "../shape_checks.js";

/** Options of `Linear`. */
export interface LinearOptions {
  /** Whether to add a bias. Default: true. */
  bias?: boolean;
}

/** input · weightᵀ + bias: […, inFeatures] to […, outFeatures]. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures] */
  readonly bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, { bias = true }: LinearOptions = {}) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(defaultUniform([outFeatures, inFeatures], inFeatures));
    this.bias = bias ? new Parameter(defaultUniform([outFeatures], inFeatures)) : null;
  }

  forward(input: tf.Tensor): tf.Tensor {
    checkFeatures("Linear", input, this.inFeatures);
    return linear(input, this.weight, this.bias);
  }
}
